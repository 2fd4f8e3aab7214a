//! The system's resolver on a thread of its own: `getaddrinfo` blocks, and a core must not.

use super::origins::OriginId;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A name to be resolved for an origin. At most one per origin is under way.
struct Question {
    origin: OriginId,
    host: String,
    port: u16,
}

/// What the resolver answered; empty when the name has no address.
pub(super) type Answer = (OriginId, Vec<SocketAddr>);

/// One thread per core, made for the first name that is not in the profile. It ends with the core.
pub(super) struct Resolver {
    questions: Option<Sender<Question>>,
    to_core: Sender<Answer>,
    answers: Receiver<Answer>,
}

impl Default for Resolver {
    fn default() -> Resolver {
        let (to_core, answers) = channel();
        Resolver {
            questions: None,
            to_core,
            answers,
        }
    }
}

impl Resolver {
    /// Asks for the addresses of a name; the answer comes to [`Resolver::answer`].
    pub(super) fn ask(&mut self, origin: OriginId, host: String, port: u16) {
        let question = Question { origin, host, port };
        if self.questions.is_none() {
            self.questions = start(self.to_core.clone());
        }
        let asked = self.questions.as_ref().map(|thread| thread.send(question));
        if !matches!(asked, Some(Ok(()))) {
            // Without a thread no name has an address; the next question tries to make one again.
            self.questions = None;
            let _ = self.to_core.send((origin, Vec::new()));
        }
    }

    /// The next answer that has come; never waits.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

fn start(to_core: Sender<Answer>) -> Option<Sender<Question>> {
    let (questions, inbox) = channel::<Question>();
    let work = move || {
        for Question { origin, host, port } in inbox {
            let found = (host.as_str(), port).to_socket_addrs();
            let found = found.map(Iterator::collect).unwrap_or_default();
            if to_core.send((origin, found)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("resolver".to_owned());
    thread.spawn(work).ok().map(|_| questions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// The next answer, waited for as long as a resolver may take.
    fn answer(resolver: &mut Resolver) -> Answer {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(answer) = resolver.answer() {
                return answer;
            }
            assert!(Instant::now() < limit, "no answer");
            std::thread::yield_now();
        }
    }

    #[test]
    fn each_question_has_its_answer() {
        let mut resolver = Resolver::default();
        assert_eq!(resolver.answer(), None);
        resolver.ask(3, "127.0.0.2".to_owned(), 80);
        resolver.ask(4, "no name has a blank".to_owned(), 81);
        let address = SocketAddr::from(([127, 0, 0, 2], 80));
        assert_eq!(answer(&mut resolver), (3, vec![address]));
        assert_eq!(answer(&mut resolver), (4, Vec::new()));
        assert_eq!(resolver.answer(), None);
    }
}
