"""An n-netman of somebody else's making: gRPC by grpcio, messages by the tables below.

Nothing here comes from Rutter's definition of the wire, so that a number or a type that is wrong
there shows here.

    nnetman.py client ADDRESS   plays the golden rows against a host; the last line is "ok"
    nnetman.py server           serves as an original does: prints its port, then a line a call,
                                and ends with its standard input
"""

import json
import sys
from concurrent import futures

import grpc

# ---- messages: name -> (number, kind); kinds: s text, n number, b truth, m message, and lists

ROUTE = {
    "prefix": (1, "s"),
    "next_hop": (2, "s"),
    "metric": (3, "n"),
    "lease_seconds": (4, "n"),
    "tags": (5, "list-s"),
    "vni": (6, "n"),
}
STATE_REQUEST = {"node_id": (1, "s"), "routes": (2, ROUTE), "timestamp_ms": (3, "n")}
STATE_RESPONSE = {**STATE_REQUEST, "accepted": (4, "b")}
ANNOUNCEMENT = STATE_REQUEST
WITHDRAWAL = {"node_id": (1, "s"), "prefixes": (2, "list-s"), "timestamp_ms": (3, "n")}
ACK = {"accepted": (1, "b"), "routes_processed": (2, "n"), "error": (3, "s")}
ASKED = {"node_id": (1, "s"), "sequence": (2, "n"), "timestamp_ms": (3, "n")}
HEALTH = {"healthy": (1, "b"), "route_count": (2, "n"), "uptime_seconds": (3, "n")}
ANSWERED = {**ASKED, "health": (4, ("one", HEALTH))}

CALLS = {
    "ExchangeState": (STATE_REQUEST, STATE_RESPONSE),
    "AnnounceRoutes": (ANNOUNCEMENT, ACK),
    "WithdrawRoutes": (WITHDRAWAL, ACK),
    "Keepalive": (ASKED, ANSWERED),
}


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    if isinstance(value, (bool, int)):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def encode(table, message):
    out = b""
    for name, value in message.items():
        number, kind = table[name]
        if kind == "list-s":
            out += b"".join(field(number, text) for text in value)
        elif isinstance(kind, dict):
            out += b"".join(field(number, encode(kind, one)) for one in value)
        elif isinstance(kind, tuple):
            out += field(number, encode(kind[1], value))
        elif value:
            out += field(number, value)
    return out


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


EMPTY = {"s": "", "n": 0, "b": False}


def decode(table, data):
    message = {}
    for name, (_, kind) in table.items():
        if isinstance(kind, tuple):
            message[name] = None
        else:
            message[name] = EMPTY[kind] if kind in ("s", "n", "b") else []
    by_number = {number: (name, kind) for name, (number, kind) in table.items()}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        # A number that isn't in the table is an error here: originals have none of ours.
        name, kind = by_number[tag >> 3]
        if tag & 7 == 0:
            number, at = read_varint(data, at)
            assert kind in ("n", "b"), name
            message[name] = bool(number) if kind == "b" else number
            continue
        assert tag & 7 == 2, name
        length, at = read_varint(data, at)
        value, at = data[at : at + length], at + length
        if kind == "s":
            message[name] = value.decode()
        elif kind == "list-s":
            message[name].append(value.decode())
        elif isinstance(kind, tuple):
            message[name] = decode(kind[1], value)
        else:
            assert isinstance(kind, dict), name
            message[name].append(decode(kind, value))
    return message


def path(call):
    return f"/nnetman.v1.NNetMan/{call}"


# ---- as a client


class Client:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(
            address, options=[("grpc.max_send_message_length", 64 << 20)]
        )

    def call(self, name, **message):
        asked, answered = CALLS[name]
        call = self.channel.unary_unary(
            path(name),
            request_serializer=lambda m: encode(asked, m),
            response_deserializer=lambda data: decode(answered, data),
        )
        return call(message, timeout=60)

    def announce(self, node, *routes):
        return self.call("AnnounceRoutes", node_id=node, routes=list(routes))

    def withdraw(self, node, *prefixes):
        answer = self.call("WithdrawRoutes", node_id=node, prefixes=list(prefixes))
        assert answer["accepted"] and not answer["error"], answer
        return answer["routes_processed"]

    def keepalive(self, *asked):
        call = self.channel.stream_stream(
            path("Keepalive"),
            request_serializer=lambda m: encode(ASKED, m),
            response_deserializer=lambda data: decode(ANSWERED, data),
        )
        stream = call(iter(asked), timeout=60)
        return list(stream), stream.code()


def route(prefix, next_hop="10.100.0.2", metric=100, vni=100, lease=3600):
    return {
        "prefix": prefix,
        "next_hop": next_hop,
        "metric": metric,
        "lease_seconds": lease,
        "vni": vni,
    }


def refused(code, call):
    try:
        answer = call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error.details()
    raise AssertionError(f"expected {code}, got {answer}")


def same(got, want):
    assert got == want, f"got {got}, expected {want}"


def play(address):
    host = Client(address)
    # 1
    state = host.call("ExchangeState", node_id="p2")
    same((state["node_id"], state["accepted"]), ("node-a", True))
    same(state["routes"], [{**route("172.16.10.0/24", "10.100.0.1", lease=30), "tags": []}])
    # 2
    for name in ("ExchangeState", "AnnounceRoutes", "WithdrawRoutes"):
        said = refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: host.call(name))
        same(said, "node_id is required")
    # 3
    stranger = lambda: host.announce("nobody", route("172.16.4.0/24"))
    refused(grpc.StatusCode.PERMISSION_DENIED, stranger)
    # 4
    prefixes = ["172.16.99.0/24", "10.1.0.0/16", "172.16.0.0/16", "0.0.0.0/0"]
    ack = host.announce("p1", *map(route, prefixes))
    same((ack["accepted"], ack["routes_processed"]), (True, 0))
    assert all(prefix in ack["error"] for prefix in prefixes), ack
    # 5
    ack = host.announce(
        "p1", route("nonsense"), route("172.16.5.0/24", "x"), route("172.16.6.0/24", "")
    )
    same((ack["accepted"], ack["routes_processed"]), (True, 1))
    # 6
    ack = host.announce("p1", route("172.16.4.0/24", vni=999))
    same((ack["accepted"], ack["routes_processed"]), (True, 0))
    assert "overlay 999" in ack["error"], ack
    # 7
    for written in ("172.16.4.0/24", "172.16.4.77/24"):
        same(host.announce("p1", route("172.16.4.77/24"))["routes_processed"], 1)
        same(host.withdraw("p1", written), 1)
    # 9 and 11
    for peer, hop in (("p1", "10.100.0.2"), ("p2", "10.100.0.3")):
        same(host.announce(peer, route("172.16.4.0/24", hop))["routes_processed"], 1)
    same(host.withdraw("p2", "172.16.4.0/24"), 1)
    same(host.withdraw("p2", "172.16.4.0/24"), 0)
    same(host.withdraw("p1", "172.16.4.0/24"), 1)
    # 10 and 14
    for metric in (50, 200, 0):
        ack = host.announce("p1", route("172.16.4.0/24", metric=metric))
        same(ack["routes_processed"], 1)
    same(host.withdraw("p1", "172.16.4.0/24"), 1)
    # 15
    asked = [{"node_id": "p1", "sequence": n} for n in (40, 41, 42)]
    answers, code = host.keepalive(*asked)
    same([answer["sequence"] for answer in answers], [40, 41, 42])
    for answer in answers:
        same((answer["node_id"], answer["health"]["healthy"]), ("node-a", True))
        assert answer["health"]["route_count"] >= 2 and answer["timestamp_ms"] > 0, answer
    same(code, grpc.StatusCode.OK)
    # 16 and 17
    own = [
        route("172.16.4.0/24", "10.100.0.1"),
        route("172.16.4.0/24", "127.0.0.1"),
        route("172.16.10.0/24"),
    ]
    same(host.announce("p1", *own)["routes_processed"], 0)
    # 19 and 20
    many = [f"10.{n // 256}.{n % 256}.0/24" for n in range(40_000)]
    routes = [route(prefix, "10.200.0.2", vni=200) for prefix in many]
    same(host.announce("p1", *routes)["routes_processed"], 40_000)
    same(host.withdraw("p1", *many[:1_000]), 1_000)
    print("ok")


# ---- as a server


def tell(what, **more):
    print(json.dumps({"call": what, **more}), flush=True)


def exchange(request, _):
    tell("ExchangeState", node_id=request["node_id"], routes=request["routes"])
    own = {"prefix": "172.16.20.0/24", "metric": 100, "vni": 100}
    return {"node_id": "p1", "routes": [own], "timestamp_ms": 1, "accepted": True}


def announced(request, _):
    tell("AnnounceRoutes", node_id=request["node_id"], routes=request["routes"])
    return {"accepted": True, "routes_processed": len(request["routes"])}


def withdrawn(request, _):
    tell("WithdrawRoutes", node_id=request["node_id"], prefixes=request["prefixes"])
    return {"accepted": True, "routes_processed": len(request["prefixes"])}


def serve():
    handlers = {}
    for name, act in (
        ("ExchangeState", exchange),
        ("AnnounceRoutes", announced),
        ("WithdrawRoutes", withdrawn),
    ):
        asked, answered = CALLS[name]
        handlers[name] = grpc.unary_unary_rpc_method_handler(
            act,
            request_deserializer=lambda data, asked=asked: decode(asked, data),
            response_serializer=lambda m, answered=answered: encode(answered, m),
        )
    # As the original: 1 MiB a message.
    options = [("grpc.max_receive_message_length", 1 << 20)]
    server = grpc.server(futures.ThreadPoolExecutor(4), options=options)
    service = grpc.method_handlers_generic_handler("nnetman.v1.NNetMan", handlers)
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()


if __name__ == "__main__":
    if sys.argv[1] == "client":
        play(sys.argv[2])
    else:
        serve()
