//! Any sequence of calls does to the store what it does to a list that is searched from one end.

use proptest::prelude::*;

use super::*;

/// The slow one: verified claims and those aside, in the order in which they came.
#[derive(Default)]
struct Model {
    verified: Vec<(Scope, Claim)>,
    aside: Vec<(Scope, Claim)>,
}

const SMALL: ClaimLimits =
    ClaimLimits { total: 16, per_originator: 5, max_life_ms: 1_000, skew_ms: 20 };

fn same_place(a: &(Scope, Claim), scope: &Scope, claim: &Claim) -> bool {
    a.0 == *scope && a.1.originator == claim.originator && a.1.destination == claim.destination
}

impl Model {
    fn is_over(now: Now, claim: &Claim) -> bool {
        now.wall.0 > claim.not_after.0 + SMALL.skew_ms
    }

    fn judge(&self, now: Now, scope: &Scope, claim: &Claim) -> Judged {
        if Self::is_over(now, claim) {
            return Judged::Expired;
        }
        if claim.not_after.0 > now.wall.0 + SMALL.max_life_ms + SMALL.skew_ms {
            return Judged::TooFar;
        }
        if let Some((_, held)) = self.verified.iter().find(|h| same_place(h, scope, claim)) {
            return match held.version().cmp(&claim.version()) {
                _ if Self::is_over(now, held) => Judged::Newer,
                _ if held == claim => Judged::Same,
                std::cmp::Ordering::Greater => Judged::Stale(Box::new(held.clone())),
                std::cmp::Ordering::Equal => Judged::Conflict,
                std::cmp::Ordering::Less => Judged::Newer,
            };
        }
        let of_it = || self.verified.iter().filter(|h| h.1.originator == claim.originator);
        let fits = of_it().count() < SMALL.per_originator || of_it().any(|h| h.1.withdrawn);
        let total =
            self.verified.len() < SMALL.total || self.verified.iter().any(|h| h.1.withdrawn);
        if fits && total { Judged::Newer } else { Judged::Full }
    }

    fn put(&mut self, now: Now, scope: &Scope, claim: Claim, verified: bool) -> bool {
        if !verified {
            return self.put_aside(scope, claim);
        }
        if !matches!(self.judge(now, scope, &claim), Judged::Newer | Judged::Same) {
            return false;
        }
        self.aside.retain(|h| !same_place(h, scope, &claim) || h.1.version() > claim.version());
        let had = self.verified.len();
        self.verified.retain(|h| !same_place(h, scope, &claim));
        if self.verified.len() == had {
            let of_it = self.verified.iter().filter(|h| h.1.originator == claim.originator);
            if of_it.count() >= SMALL.per_originator {
                self.give_way(|h| h.1.originator == claim.originator);
            }
            if self.verified.len() >= SMALL.total {
                self.give_way(|_| true);
            }
        }
        self.verified.push((scope.clone(), claim));
        true
    }

    fn give_way(&mut self, whose: impl Fn(&(Scope, Claim)) -> bool) {
        let all = self.verified.iter().enumerate();
        let withdrawn = all.filter(|(_, h)| h.1.withdrawn && whose(h));
        if let Some((at, _)) = withdrawn.min_by_key(|(_, h)| h.1.not_after) {
            self.verified.remove(at);
        }
    }

    fn put_aside(&mut self, scope: &Scope, claim: Claim) -> bool {
        if self.aside.iter().any(|h| h.0 == *scope && h.1 == claim) {
            return true;
        }
        let here = self.aside.iter().filter(|h| same_place(h, scope, &claim)).count();
        if here >= 4 {
            let all = self.aside.iter().enumerate();
            let here = all.filter(|(_, h)| same_place(h, scope, &claim));
            let oldest = here.min_by_key(|(_, h)| h.1.version()).map(|(at, _)| at);
            self.aside.remove(oldest.unwrap());
        } else {
            let of_it = self.aside.iter().filter(|h| h.1.originator == claim.originator);
            if self.aside.len() >= SMALL.total / 8 || of_it.count() >= SMALL.per_originator {
                return false;
            }
        }
        self.aside.push((scope.clone(), claim));
        true
    }

    fn take(&mut self, gone: impl Fn(&Claim) -> bool) -> Vec<(Scope, Claim)> {
        let (ended, stay) =
            std::mem::take(&mut self.verified).into_iter().partition(|h| gone(&h.1));
        self.verified = stay;
        ended
    }
}

fn sorted(mut claims: Vec<(Scope, Claim)>) -> Vec<(Scope, Claim)> {
    claims.sort_by_key(|(scope, c)| {
        (
            scope.clone(),
            c.originator.clone(),
            c.destination.clone(),
            c.version(),
            c.key,
            c.not_after,
            c.withdrawn,
        )
    });
    claims
}

#[derive(Debug, Clone)]
enum Step {
    Put(Scope, Claim, bool),
    Judge(Scope, Claim),
    Wait(u64),
    Unvouch(ClusterId, u8),
    Expire,
}

fn a_claim() -> impl Strategy<Value = (Scope, Claim)> {
    let place = (0..2_u8, 0..4_u8, 0..4_u8);
    let what = (0..3_u64, 0..3_u64, 1..=3_u8, 0..1_100_u64, any::<bool>());
    (place, what).prop_map(|((scope_n, by, dest), (incarnation, sequence, key, end, withdrawn))| {
        // A withdrawal's end is its own, so that which gives way first is never a tie.
        let unique = u64::from(scope_n) * 16 + u64::from(by) * 4 + u64::from(dest);
        let claim = Claim {
            destination: on(&format!("d{dest}")),
            incarnation,
            sequence,
            key: KeyId([key; 8]),
            not_after: Wall(end * 32 + unique),
            withdrawn,
            ..claim(&format!("c{by}"), 0)
        };
        (scope(["fabric", "services"][usize::from(scope_n)]), claim)
    })
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (a_claim(), prop::bool::weighted(0.8)).prop_map(|((s, c), v)| Step::Put(s, c, v)),
        3 => a_claim().prop_map(|(s, c)| Step::Judge(s, c)),
        3 => (0..400_u64).prop_map(Step::Wait),
        1 => (0..4_u8, 1..=3_u8).prop_map(|(c, k)| Step::Unvouch(cluster(&format!("c{c}")), k)),
        2 => Just(Step::Expire),
    ]
}

/// The claim with an end that lies near now, so that all rules about time are met.
fn soon(now: Now, mut claim: Claim) -> Claim {
    claim.not_after = Wall(now.wall.0.saturating_sub(100) + claim.not_after.0 % (40 * 32));
    claim
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_list_does(steps in prop::collection::vec(a_step(), 1..120)) {
        let (mut claims, mut model) = (Claims::new(SMALL, 3), Model::default());
        let mut now = Now::new(0, 10_000);
        for step in steps {
            match step {
                Step::Judge(scope, claim) => {
                    let claim = soon(now, claim);
                    prop_assert_eq!(
                        claims.judge(now, &scope, &claim),
                        model.judge(now, &scope, &claim)
                    );
                }
                Step::Put(scope, claim, verified) => {
                    let claim = soon(now, claim);
                    prop_assert_eq!(
                        claims.put(now, &scope, claim.clone(), verified),
                        model.put(now, &scope, claim.clone(), verified)
                    );
                    let held = claims.get(&scope, &claim.originator, &claim.destination);
                    let is = model.verified.iter().find(|h| same_place(h, &scope, &claim));
                    prop_assert_eq!(
                        held.filter(|held| held.verified).map(|held| &held.claim),
                        is.map(|is| &is.1)
                    );
                }
                Step::Wait(ms) => now = Now::new(now.mono.0 + ms, now.wall.0 + ms),
                Step::Unvouch(by, key) => {
                    let active = |id: &KeyId| *id != KeyId([key; 8]);
                    let gone = model.take(|c| c.originator == by && !active(&c.key));
                    let gone = gone.into_iter().filter(|(_, claim)| !claim.withdrawn).collect();
                    prop_assert_eq!(claims.unvouch(&by, &active), sorted(gone));
                }
                Step::Expire => {
                    let mut gone = model.take(|claim| Model::is_over(now, claim));
                    let (ended, stay) = std::mem::take(&mut model.aside)
                        .into_iter()
                        .partition(|h| Model::is_over(now, &h.1));
                    model.aside = stay;
                    let ended: Vec<_> = ended;
                    gone.extend(ended);
                    gone.retain(|(_, claim)| !claim.withdrawn);
                    prop_assert_eq!(sorted(claims.expire(now, 1_000)), sorted(gone));
                }
            }
            prop_assert_eq!(claims.len(), model.verified.len() + model.aside.len());
            let ends = model.verified.iter().chain(&model.aside).map(|h| h.1.not_after.0);
            let due = ends.min().map(|end| (end + SMALL.skew_ms + 1).saturating_sub(now.wall.0));
            let deadline = claims.next_deadline(now).map(|deadline| deadline.0.0 - now.mono.0);
            prop_assert_eq!(deadline, due);
            for n in 0..4 {
                let by = cluster(&format!("c{n}"));
                let of_it = model.aside.iter().filter(|h| h.1.originator == by).cloned();
                prop_assert_eq!(sorted(claims.unverified(&by)), sorted(of_it.collect()));
            }
        }
    }

    #[test]
    fn expiry_in_slices_is_expiry_at_once(
        all in prop::collection::vec(a_claim(), 1..40),
        budget in 1..4_usize,
    ) {
        let now = Now::new(0, 10_000);
        let (mut whole, mut sliced) = (Claims::new(SMALL, 3), Claims::new(SMALL, 4));
        for (n, (scope, claim)) in all.into_iter().enumerate() {
            let claim = soon(now, claim);
            whole.put(now, &scope, claim.clone(), n % 5 != 0);
            sliced.put(now, &scope, claim, n % 5 != 0);
        }
        let later = Now::new(10_000, 20_000);
        let gone = whole.expire(later, 1_000);
        let mut pieces = Vec::new();
        while !sliced.is_empty() {
            let before = sliced.len();
            pieces.extend(sliced.expire(later, budget));
            prop_assert!(sliced.len() < before && before - sliced.len() < budget + 4);
        }
        prop_assert!(whole.is_empty());
        prop_assert_eq!(sorted(pieces), sorted(gone));
    }
}
