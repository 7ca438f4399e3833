//! Drives Chromium through its DevTools protocol over a pipe, without a driver or a package.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A page in a browser; the browser ends when the page is dropped.
pub(crate) struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    asked: u64,
    /// exceptions, and the messages on the console or in the log
    complaints: Vec<String>,
}

/// Returns the name of Chromium if it is installed; otherwise says that the test is skipped.
pub(crate) fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: there is no Chromium");
    }
    found
}

impl Browser {
    /// Starts Chromium with a profile in this folder, without a GPU.
    pub(crate) fn start(chromium: &str, folder: &Path) -> Browser {
        Browser::start_with(chromium, folder, &["--disable-gpu"])
    }

    /// Starts Chromium with WebGPU, on the software adapter that Chromium contains.
    pub(crate) fn start_with_webgpu(chromium: &str, folder: &Path) -> Browser {
        let flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
        Browser::start_with(chromium, folder, &flags)
    }

    fn start_with(chromium: &str, folder: &Path, flags: &[&str]) -> Browser {
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        // Chromium reads commands from descriptor 3 and answers on 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null"])
            .arg(chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"])
            .args(flags)
            .args(["--remote-debugging-pipe", &profile])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium starts");
        let mut browser = Browser {
            to: process.stdin.take().expect("a pipe"),
            from: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
            session: String::new(),
            asked: 0,
            complaints: Vec::new(),
        };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let asked = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", asked);
        browser.session = attached["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command and waits for the answer.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .expect("Chromium listens");
        loop {
            let mut raw = Vec::new();
            self.from.read_until(0, &mut raw).expect("Chromium answers");
            assert_eq!(raw.pop(), Some(0), "Chromium has ended");
            let answer: Value = serde_json::from_slice(&raw).expect("JSON");
            if answer["id"] == self.asked {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            let about = answer["method"].as_str().unwrap_or_default();
            if [
                "Runtime.exceptionThrown",
                "Runtime.consoleAPICalled",
                "Log.entryAdded",
            ]
            .contains(&about)
            {
                self.complaints.push(answer["params"].to_string());
            }
        }
    }

    /// Returns the value of an expression in the page; waits if the value is a promise.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression holds; Chromium's own clock ends the wait if it never does.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        let wait = format!(
            "new Promise((done) => {{ let left = 1200; const look = () => ({expression}) ? done(true)
              : left-- ? setTimeout(look, 50) : done(false); look(); }})"
        );
        assert_eq!(self.value(&wait), true, "{expression}");
    }

    /// Opens a file at this width, on a dark or a light screen, and waits for its figures.
    #[track_caller]
    pub(crate) fn open(&mut self, file: &Path, width: u32, dark: bool) {
        self.visit(&format!("file://{}#all", file.display()), width, dark);
        self.until("[...document.querySelectorAll('.figure')].every((f) => f.dataset.drawn && f.dataset.drawn !== 'now')");
    }

    /// Opens an address at this width, on a dark or a light screen.
    #[track_caller]
    pub(crate) fn visit(&mut self, url: &str, width: u32, dark: bool) {
        let screen =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": media }));
        // Another page is opened first: the same address with another fragment would not be loaded
        // again.
        self.call("Page.navigate", json!({ "url": "about:blank" }));
        self.call("Page.navigate", json!({ "url": url }));
        self.until("document.readyState === 'complete' && document.querySelector('h1')");
    }

    /// Presses a key where the focus is.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Returns the complaints of the page so far.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
