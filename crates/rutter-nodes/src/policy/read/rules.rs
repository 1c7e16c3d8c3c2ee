//! `acls` and `grants`.

use std::collections::BTreeSet;

use rutter_route::Tag;
use rutter_yaml::{Problem, Spot};

use crate::policy::hujson::{Placed, Value};
use crate::policy::{Access, Grant, MAX_GRANTS, MAX_VIA, Ports, Selector, Target};

use super::{Members, Reader};

impl Reader {
    /// Where the file has neither list everything is open; one that is there and empty closes.
    pub(super) fn access(
        &mut self,
        acls: Option<Placed<Value>>,
        grants: Option<Placed<Value>>,
    ) -> Access {
        if acls.is_none() && grants.is_none() {
            return Access::Open;
        }
        let mut all = Vec::new();
        for (section, value) in [("acls", acls), ("grants", grants)] {
            let Some(value) = value else { continue };
            let spot = value.spot;
            let rules = self.list(value, &[section]);
            if all.len() + rules.len() > MAX_GRANTS {
                let message = format!("`acls` and `grants` have at most {MAX_GRANTS} rules");
                self.problem(&[section], spot, message);
                continue;
            }
            for (n, rule) in rules.into_iter().enumerate() {
                let at = n.to_string();
                all.push(match section {
                    "acls" => self.acl(rule, &at),
                    _ => self.grant(rule, &at),
                });
            }
        }
        let access = Access::Granted(all);
        let views: BTreeSet<_> = access.via_sets().collect();
        if views.len() > MAX_VIA {
            let message =
                format!("`via` names {} different sets of tags, at most {MAX_VIA}", views.len());
            self.problems.push(Problem::at("grants", message));
        }
        access
    }

    fn acl(&mut self, rule: Placed<Value>, at: &str) -> Grant {
        let spot = rule.spot;
        let members = self.object(rule, &["acls", at], &["action", "src", "dst"]);
        self.require(&members, &["acls", at], &["action", "src", "dst"], spot);
        let mut grant = empty(format!("acls[{at}]"));
        for (key, value) in members {
            let path = ["acls", at, key.is.as_str()];
            match key.is.as_str() {
                "action" => self.action(&value, &path),
                "src" => grant.src = self.sources(value, &path),
                _ => {
                    for text in self.texts(value, &path) {
                        grant.dst.extend(self.target_with_ports(&text, &path));
                    }
                }
            }
        }
        grant
    }

    fn action(&mut self, value: &Placed<Value>, path: &[&str]) {
        match &value.is {
            Value::Text(text) if text == "accept" => {}
            Value::Text(text) => {
                let message = format!("`{text}` is no action: expected `accept`");
                self.problem(path, value.spot, message);
            }
            _ => self.expected(path, value, "`accept`"),
        }
    }

    fn grant(&mut self, rule: Placed<Value>, at: &str) -> Grant {
        let spot = rule.spot;
        let members = self.object(rule, &["grants", at], &["src", "dst", "ip", "via"]);
        self.require(&members, &["grants", at], &["src", "dst", "ip"], spot);
        let mut grant = empty(format!("grants[{at}]"));
        let mut ports = Vec::new();
        for (key, value) in members {
            let path = ["grants", at, key.is.as_str()];
            match key.is.as_str() {
                "src" => grant.src = self.sources(value, &path),
                "dst" => {
                    for text in self.texts(value, &path) {
                        let selector = self.selector(&text.is, &path, text.spot);
                        let target = |selector| Target { selector, ports: Vec::new() };
                        grant.dst.extend(selector.map(target));
                    }
                }
                "ip" => {
                    for text in self.texts(value, &path) {
                        ports.extend(self.parsed::<Ports>(&path, text.spot, text.is.parse()));
                    }
                }
                _ => grant.via = self.via(value, &path),
            }
        }
        for target in &mut grant.dst {
            target.ports.clone_from(&ports);
        }
        grant
    }

    fn via(&mut self, value: Placed<Value>, path: &[&str]) -> BTreeSet<Tag> {
        let texts = self.texts(value, path);
        texts.into_iter().filter_map(|text| self.tag(&text.is, path, text.spot)).collect()
    }

    fn require(&mut self, members: &Members, path: &[&str], keys: &[&str], spot: Spot) {
        for key in keys {
            if !members.iter().any(|(have, _)| have.is == *key) {
                self.problem(path, spot, format!("the key `{key}` is missing"));
            }
        }
    }

    fn sources(&mut self, value: Placed<Value>, path: &[&str]) -> Vec<Selector> {
        let mut selectors = Vec::new();
        for text in self.texts(value, path) {
            if text.is == "autogroup:internet" {
                let message = "`autogroup:internet` is a destination: nobody comes from there";
                self.problem(path, text.spot, message);
                continue;
            }
            selectors.extend(self.selector(&text.is, path, text.spot));
        }
        selectors
    }

    /// `selector:ports`, where ports are `*` or a list such as `22,80-90`; an IPv6 address may stand
    /// in brackets.
    fn target_with_ports(&mut self, text: &Placed<String>, path: &[&str]) -> Option<Target> {
        let ports = text.is.rsplit_once(':').and_then(|(selector, ports)| {
            let list: Option<Vec<Ports>> = ports.split(',').map(|p| p.parse().ok()).collect();
            list.map(|ports| (selector, ports))
        });
        let Some((selector, ports)) = ports else {
            let message = format!("`{}` has no ports", text.is);
            let help = "expected `selector:ports`, such as `tag:web:80,443` or `10.0.0.0/8:*`";
            self.problem_with_help(path, text.spot, message, Some(help.to_owned()));
            return None;
        };
        let bare = selector.strip_prefix('[').and_then(|s| s.strip_suffix(']'));
        let selector = self.selector(bare.unwrap_or(selector), path, text.spot)?;
        Some(Target { selector, ports })
    }
}

fn empty(name: String) -> Grant {
    Grant { name, src: Vec::new(), dst: Vec::new(), via: BTreeSet::new() }
}
