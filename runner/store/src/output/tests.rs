use std::io::Write as _;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_there_when_it_is_whole_and_what_others_left_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pth");
    fs::write(folder.path().join(".grokrun-x1.tmp"), "half").unwrap();
    fs::write(folder.path().join("notes.tmp"), "mine").unwrap();
    let mut output = Output::create(&path).unwrap();
    output.file().write_all(b"all").unwrap();
    assert!(!path.exists());
    output.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"all");
    assert_eq!(names(folder.path()), ["model.pth", "notes.tmp"]);

    // What is not finished leaves the file before.
    let mut output = Output::create(&path).unwrap();
    output.file().write_all(b"half").unwrap();
    drop(output);
    assert_eq!(fs::read(&path).unwrap(), b"all");
    assert_eq!(names(folder.path()), ["model.pth", "notes.tmp"]);
}

#[test]
fn what_cannot_be_written_to_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone/model.pth");
    for (path, words) in [
        (folder.path(), "is a folder; expected a file"),
        (&gone, "gone/model.pth"),
    ] {
        let error = Output::write(path, b"x").unwrap_err();
        assert!(
            error.is_request() && error.to_string().contains(words),
            "{error}"
        );
    }
}

#[test]
fn files_of_a_run_are_refused_and_others_in_its_folder_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("r");
    let inner = run.join("cells/c/checkpoints");
    fs::create_dir_all(&inner).unwrap();
    fs::write(run.join("run.json"), "{}").unwrap();
    for name in [
        "run.json",
        "report.html",
        "cells/c/state.safetensors",
        "cells/c/checkpoints/00000100.safetensors",
        "cells/c/../c/config.json",
    ] {
        let error = Output::write(&run.join(name), b"x").unwrap_err();
        assert!(error.is_request(), "{name}");
        assert!(error.to_string().contains("a file of the run"), "{error}");
    }
    assert_eq!(fs::read(run.join("run.json")).unwrap(), b"{}");
    for name in [
        "model.pth",
        "cells/c/best.pth",
        "cells/c/checkpoints/best.safetensors",
    ] {
        Output::write(&run.join(name), b"x").unwrap();
    }
    // The same names elsewhere are anybody's.
    Output::write(&folder.path().join("run.json"), b"x").unwrap();
}

#[cfg(unix)]
mod unix {
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_are_followed_to_the_file_that_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("disk")).unwrap();
        fs::write(at("disk/real"), "old").unwrap();
        fs::set_permissions(at("disk/real"), PermissionsExt::from_mode(0o600)).unwrap();
        symlink("disk/real", at("first")).unwrap();
        symlink(at("first"), at("second")).unwrap();
        symlink("disk/new", at("dangling")).unwrap();
        Output::write(&at("second"), b"new").unwrap();
        Output::write(&at("dangling"), b"made").unwrap();
        assert_eq!(fs::read(at("disk/real")).unwrap(), b"new");
        assert_eq!(fs::read(at("disk/new")).unwrap(), b"made");
        for link in ["first", "second", "dangling"] {
            assert!(
                fs::symlink_metadata(at(link)).unwrap().is_symlink(),
                "{link}"
            );
        }
        let mode = fs::metadata(at("disk/real")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(names(&at("disk")), ["new", "real"]);
    }

    #[test]
    fn a_ring_of_links_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        symlink("ring", &path).unwrap();
        Output::write(&path, b"x").unwrap_err();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn a_link_to_a_run_is_no_way_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("r")).unwrap();
        fs::write(at("r/run.json"), "{}").unwrap();
        symlink(at("r/run.json"), at("file")).unwrap();
        symlink(at("r"), at("folder")).unwrap();
        for path in ["file", "folder/run.json", "folder/summary.json"] {
            let error = Output::write(&at(path), b"x").unwrap_err();
            assert!(error.to_string().contains("a file of the run"), "{error}");
        }
    }

    #[test]
    fn a_pipe_is_written_into_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        let read = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
                bytes
            })
        };
        assert!(is_stream(&pipe));
        Output::write(&pipe, b"through").unwrap();
        assert_eq!(read.join().unwrap(), b"through");
        assert_eq!(names(folder.path()), ["pipe"]);
    }

    #[test]
    fn devices_are_written_into() {
        assert!(is_stream(Path::new("/dev/null")));
        Output::write(Path::new("/dev/null"), b"gone").unwrap();
        use std::os::unix::fs::FileTypeExt as _;
        let null = fs::metadata("/dev/null").unwrap().file_type();
        assert!(null.is_char_device());
        #[cfg(target_os = "linux")]
        {
            let full = Output::write(Path::new("/dev/full"), b"x").unwrap_err();
            assert!(full.to_string().contains("/dev/full"), "{full}");
            assert!(is_stream(Path::new("/dev/stdout")));
            assert!(is_stream(Path::new("/proc/self/fd/1")));
        }
    }
}
