//! A TCP proxy between an instance and its broker: passes on, delays, stops passing on without a word, or cuts.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What the proxy does with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Each piece is late by this much.
    Delay(Duration),
    /// Nothing passes and nobody is told: a cable that was pulled.
    Silence,
    /// Connections are closed, new ones too.
    Cut,
}

#[derive(Default)]
struct Lines {
    open: Vec<TcpStream>,
}

struct Shared {
    mode: Mutex<Mode>,
    changed: Condvar,
    lines: Mutex<Lines>,
}

/// Its threads end with the test binary.
pub(crate) struct Proxy {
    port: u16,
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Proxy {
    /// On a free port; connections wait until it is told where they lead.
    pub(crate) fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            port: listener.local_addr().unwrap().port(),
            listener,
            shared: Arc::new(Shared {
                mode: Mutex::new(Mode::Pass),
                changed: Condvar::new(),
                lines: Mutex::default(),
            }),
        }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn lead_to(&self, address: SocketAddr) {
        let listener = self.listener.try_clone().unwrap();
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if *shared.mode.lock().unwrap() == Mode::Cut {
                    continue;
                }
                // The broker is away: the client sees its connection closed.
                let Ok(far) = TcpStream::connect(address) else {
                    continue;
                };
                shared.join(&near, &far);
            }
        });
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
        self.shared.changed.notify_all();
        if mode == Mode::Cut {
            for line in self.shared.lines.lock().unwrap().open.drain(..) {
                line.shutdown(Shutdown::Both).ok();
            }
        }
    }
}

impl Shared {
    fn join(self: &Arc<Self>, near: &TcpStream, far: &TcpStream) {
        for (from, to) in [(near, far), (far, near)] {
            from.set_nodelay(true).ok();
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            self.lines
                .lock()
                .unwrap()
                .open
                .push(from.try_clone().unwrap());
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(bytes @ 1..) = from.read(&mut buffer) {
                    shared.hold_back();
                    if to.write_all(&buffer[..bytes]).is_err() {
                        break;
                    }
                }
                from.shutdown(Shutdown::Both).ok();
                to.shutdown(Shutdown::Both).ok();
            });
        }
    }

    fn hold_back(&self) {
        let mut mode = self.mode.lock().unwrap();
        while *mode == Mode::Silence {
            mode = self.changed.wait(mode).unwrap();
        }
        if let Mode::Delay(by) = *mode {
            drop(mode);
            std::thread::sleep(by);
        }
    }
}
