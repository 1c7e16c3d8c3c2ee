//! Inputs into engines, and what comes of their outputs.

use rand::RngExt;
use rutter_protocol::Output;
use rutter_protocol::speaker::Input;

use super::{Event, Network};
use crate::invariants::When;

/// The most ticks of a cluster in a second of simulated time: a deadline that is never met would
/// wake it for ever.
const TICKS_A_SECOND: u32 = 300;

impl Network {
    /// Starts a cluster's speaker, and dials its links.
    pub(crate) fn boot(&mut self, node: usize) -> Result<(), String> {
        let (neighbours, keys) = (self.neighbourhood(node), self.provided());
        let (at, scenario) = (self.at, self.scenario.clone());
        let Some(one) = self.nodes.get_mut(node).filter(|one| !one.is_up()) else {
            return Ok(());
        };
        if at < one.away_until {
            return Ok(());
        }
        let boot = one.start(at, &scenario, &neighbours, &keys)?;
        if let (Some(prepare), Some(engine)) = (self.prepare, &mut one.engine) {
            prepare(engine);
        }
        self.totals.boots += 1;
        if let Some(tape) = &mut self.tape {
            tape.booted(&boot);
        }
        self.input(node, Input::Tick);
        for link in 0..self.links.len() {
            if self.links.get(link).is_some_and(|l| l.ends.contains(&node)) {
                self.dial_soon(link);
            }
        }
        Ok(())
    }

    /// One input into a cluster's engine, and all that comes of it.
    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let at = self.at;
        let mut out = std::mem::take(&mut self.out);
        let Some(one) = self.nodes.get_mut(node) else { return };
        let now = one.clock.at(at);
        let Some(engine) = &mut one.engine else {
            self.out = out;
            return;
        };
        // A recording needs the input once it is done, with what came of it.
        let kept = self.tape.as_ref().map(|_| input.clone());
        let stability = &one.spec.policy.stability;
        let when = stability.is_on().then_some(When { at, now, stability });
        if let Some(when) = when {
            one.flaps.before(when, &input, &engine.speaker);
        }
        engine.step(now, input, &mut out);
        if let Some(when) = when {
            one.flaps.after(when, &engine.speaker, &out);
        }
        if let (Some(tape), Some(input)) = (&mut self.tape, kept) {
            tape.input(&one.name, now, input, &out);
        }
        one.n_inputs += 1;
        self.totals.inputs += 1;
        for output in out.drain(..) {
            self.act(node, output);
        }
        self.out = out;
        self.watch(node);
        self.reschedule(node);
    }

    fn act(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { connection, frame } => self.send(node, connection.0, frame),
            Output::Credit { connection, frames } => self.credit(node, connection.0, frames),
            Output::Close { connection, .. } => self.close(node, connection.0),
            Output::Sign { ticket, key, bytes } => {
                let at = self.at;
                let Some(one) = self.nodes.get_mut(node) else { return };
                let signature = match one.pair(&key) {
                    _ if at < one.signer_fails_until => Err("the signer is away".to_owned()),
                    Some(pair) => Ok(pair.sign(&bytes)),
                    None => Err(format!("there is no key {key}")),
                };
                let (boot, takes) = (one.boot, one.rng.random_range(0..3));
                self.agenda.put(at + takes, Event::Signed { node, boot, ticket, signature });
            }
            Output::Verify { ticket, checks } => {
                let good = checks
                    .iter()
                    .map(|check| self.ring.verify(&check.key, &check.bytes, &check.signature))
                    .collect();
                self.totals.verified += checks.len() as u64;
                let at = self.at;
                let Some(one) = self.nodes.get_mut(node) else { return };
                let (boot, takes) = (one.boot, one.rng.random_range(0..4));
                self.agenda.put(at + takes, Event::Verified { node, boot, ticket, good });
            }
            Output::KeepKeys => {
                let Some(one) = self.nodes.get_mut(node) else { return };
                let engine = one.engine.as_ref();
                one.kept_keys = engine.map(|engine| engine.speaker.keys().to_kept());
            }
            Output::Log(event) => self.totals.log(&event),
        }
    }

    /// An answer for a boot that may be over.
    pub(super) fn answer(&mut self, node: usize, boot: u32, input: Input) {
        if self.nodes.get(node).is_some_and(|one| one.boot == boot) {
            self.input(node, input);
        }
    }

    pub(super) fn wake(&mut self, node: usize, boot: u32) {
        let at = self.at;
        let Some(one) = self.nodes.get_mut(node) else { return };
        if one.boot != boot || one.wake != Some(at) {
            return;
        }
        one.wake = None;
        let second = at / 1000;
        if one.ticks.0 != second {
            one.ticks = (second, 0);
        }
        one.ticks.1 += 1;
        if one.ticks.1 > TICKS_A_SECOND {
            let what = format!("{TICKS_A_SECOND} deadlines within a second, and nothing done");
            self.break_rule(Some(node), "deadlines_are_met", what);
            return;
        }
        self.input(node, Input::Tick);
    }

    fn reschedule(&mut self, node: usize) {
        let at = self.at;
        let Some(one) = self.nodes.get_mut(node) else { return };
        let Some(engine) = &one.engine else { return };
        let Some(deadline) = engine.next_deadline(one.clock.at(at)) else { return };
        let when = one.clock.when(deadline).max(at + 1);
        if one.wake.is_none_or(|wake| when < wake) {
            one.wake = Some(when);
            self.agenda.put(when, Event::Wake { node, boot: one.boot });
        }
    }
}
