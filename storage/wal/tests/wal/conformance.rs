//! What every disk has to do, run for the machine's and for the one in memory.

use std::io::{ErrorKind, IoSlice};
use std::path::Path;

use zonelake_wal::{Disk, MemoryDisk, RealDisk};

fn for_each_disk(test: impl Fn(&dyn Disk, &Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("some/where");
    for disk in [&RealDisk as &dyn Disk, &MemoryDisk::new(1)] {
        disk.create_dir_all(&dir).expect("the folder is made");
        test(disk, &dir);
    }
}

fn names(disk: &dyn Disk, dir: &Path) -> Vec<(String, u64)> {
    let mut names: Vec<_> = disk.list(dir).expect("a list").into_iter().map(|it| (it.name, it.bytes)).collect();
    names.sort();
    names
}

#[test]
fn a_folder_may_be_made_twice_and_a_missing_one_is_not_found() {
    for_each_disk(|disk, dir| {
        disk.create_dir_all(dir).expect("once more");
        assert_eq!(names(disk, dir), []);
        let missing = dir.join("missing");
        assert_eq!(disk.list(&missing).expect_err("no folder").kind(), ErrorKind::NotFound);
        assert_eq!(disk.sync_dir(&missing).expect_err("no folder").kind(), ErrorKind::NotFound);
        assert_eq!(disk.create(&missing.join("file")).expect_err("no folder").kind(), ErrorKind::NotFound);
    });
}

#[test]
fn parts_are_written_one_behind_the_other_and_read_back_until_the_file_ends() {
    for_each_disk(|disk, dir| {
        let file = disk.create(&dir.join("a")).expect("made");
        let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!(file.write_at(&parts, 5).expect("written"), 7);
        file.sync_data().expect("synced");
        let mut buffer = [9; 20];
        assert_eq!(file.read_at(&mut buffer, 3).expect("read"), 9);
        assert_eq!(&buffer[..10], b"\0\0one two\x09");
        assert_eq!(file.read_at(&mut buffer, 12).expect("read"), 0);
        assert_eq!(file.read_at(&mut buffer, 100).expect("read"), 0);
        assert_eq!(file.len_bytes().expect("a length"), 12);
        assert_eq!(names(disk, dir), [("a".to_owned(), 12)]);
    });
}

#[test]
fn more_parts_than_the_system_takes_at_once_are_begun_and_the_count_says_how_far() {
    for_each_disk(|disk, dir| {
        let file = disk.create(&dir.join("a")).expect("made");
        let parts = vec![IoSlice::new(b"x"); 3000];
        let written = file.write_at(&parts, 0).expect("written");
        assert!((1..=3000).contains(&written));
        assert_eq!(file.len_bytes().expect("a length"), written as u64);
    });
}

#[test]
fn preallocation_lengthens_with_zeros_and_never_shortens() {
    for_each_disk(|disk, dir| {
        let file = disk.create(&dir.join("a")).expect("made");
        file.write_at(&[IoSlice::new(b"abc")], 0).expect("written");
        file.preallocate(10_000).expect("longer");
        file.preallocate(100).expect("not shorter");
        let mut buffer = vec![9; 20_000];
        assert_eq!(file.read_at(&mut buffer, 0).expect("read"), 10_000);
        assert_eq!(&buffer[..3], b"abc");
        assert!(buffer[3..10_000].iter().all(|byte| *byte == 0));
    });
}

#[test]
fn preallocation_beyond_the_space_says_that_the_disk_is_full() {
    let disk = MemoryDisk::new(1);
    let dir = Path::new("/dir");
    disk.create_dir_all(dir).expect("made");
    disk.set_capacity_bytes(1000);
    let file = disk.create(&dir.join("a")).expect("made");
    assert_eq!(disk.free_bytes(dir).expect("a number"), 1000);
    assert_eq!(file.preallocate(1001).expect_err("too much").kind(), ErrorKind::StorageFull);
    assert_eq!(file.len_bytes().expect("a length"), 0);
    file.preallocate(1000).expect("just enough");
    assert_eq!(disk.free_bytes(dir).expect("a number"), 0);
    // The machine's disk is not filled up for a test; that it knows its space is all that is asked of it.
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(RealDisk.free_bytes(folder.path()).expect("a number") > 0);
}

#[test]
fn a_file_is_renamed_over_another_and_removed() {
    for_each_disk(|disk, dir| {
        for (name, content) in [("a", b"first"), ("b", b"other")] {
            let file = disk.create(&dir.join(name)).expect("made");
            file.write_at(&[IoSlice::new(content)], 0).expect("written");
        }
        disk.rename(&dir.join("a"), &dir.join("b")).expect("renamed");
        disk.sync_dir(dir).expect("synced");
        assert_eq!(names(disk, dir), [("b".to_owned(), 5)]);
        let mut buffer = [0; 5];
        disk.open(&dir.join("b")).expect("open").read_at(&mut buffer, 0).expect("read");
        assert_eq!(&buffer, b"first");
        disk.remove(&dir.join("b")).expect("removed");
        assert_eq!(names(disk, dir), []);
        for error in [
            disk.remove(&dir.join("b")).expect_err("gone"),
            disk.rename(&dir.join("b"), &dir.join("c")).expect_err("gone"),
            disk.open(&dir.join("b")).expect_err("gone"),
            disk.open_read_only(&dir.join("b")).expect_err("gone"),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    });
}

#[test]
fn making_a_file_that_exists_empties_it_and_reading_only_changes_nothing() {
    for_each_disk(|disk, dir| {
        let path = dir.join("a");
        disk.create(&path).expect("made").write_at(&[IoSlice::new(b"abc")], 0).expect("written");
        assert!(disk.open_read_only(&path).expect("open").write_at(&[IoSlice::new(b"x")], 0).is_err());
        assert_eq!(disk.open(&path).expect("open").len_bytes().expect("a length"), 3);
        assert_eq!(disk.create(&path).expect("made again").len_bytes().expect("a length"), 0);
    });
}

#[test]
fn folders_are_listed_apart_from_files_and_removed_with_all_that_is_in_them() {
    for_each_disk(|disk, dir| {
        disk.create(&dir.join("file")).expect("made");
        for name in ["one", "two"] {
            disk.create_dir_all(&dir.join(name).join("deeper")).expect("made");
            disk.create(&dir.join(name).join("deeper/file")).expect("made");
        }
        let mut dirs = disk.list_dirs(dir).expect("a list");
        dirs.sort();
        assert_eq!(dirs, ["one", "two"]);
        disk.remove_dir_all(&dir.join("one")).expect("removed");
        assert_eq!(disk.list_dirs(dir).expect("a list"), ["two"]);
        assert_eq!(disk.list(&dir.join("one/deeper")).expect_err("gone").kind(), ErrorKind::NotFound);
        assert_eq!(names(disk, dir).len(), 1, "the file is not a folder");
        for error in [
            disk.list_dirs(&dir.join("one")).expect_err("gone"),
            disk.remove_dir_all(&dir.join("one")).expect_err("gone"),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    });
}

#[test]
fn random_numbers_differ() {
    for_each_disk(|disk, _| {
        assert_ne!(disk.random().expect("a number"), disk.random().expect("another"));
    });
}

#[test]
fn the_disk_in_memory_keeps_what_was_synced_and_may_lose_the_rest() {
    let (mut kept_names, mut kept_writes) = (0, 0);
    for seed in 0..64 {
        let disk = MemoryDisk::new(seed);
        let dir = Path::new("/dir");
        disk.create_dir_all(dir).expect("made");
        let file = disk.create(&dir.join("synced")).expect("made");
        file.write_at(&[IoSlice::new(&[1; 600])], 0).expect("written");
        file.sync_data().expect("synced");
        disk.sync_dir(dir).expect("synced");
        file.write_at(&[IoSlice::new(&[2; 1024])], 512).expect("written");
        disk.create(&dir.join("new")).expect("made");
        disk.cut_power();
        assert!(file.sync_data().is_err(), "without power nothing works");
        disk.restore_power();
        assert!(file.sync_data().is_err(), "the program of this file is gone");
        let content = disk.read(&dir.join("synced")).expect("it was synced");
        assert_eq!(content[..512], [1; 512]);
        assert!(content.len() >= 600);
        kept_writes += usize::from(content[512..600] == [2; 88]);
        kept_names += usize::from(disk.read(&dir.join("new")).is_some());
    }
    assert!((8..56).contains(&kept_writes) && (8..56).contains(&kept_names), "{kept_writes} {kept_names}");
}
