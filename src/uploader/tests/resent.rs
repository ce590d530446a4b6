//! Rows that an operator sends again from a file: all of their part, once more, whatever cuts it off.

use livecosmos_state::{Chain, Fill, Window};

use super::*;

/// A daemon that has stored all of a file, and is to send the rows of `site` again.
async fn rewound(world: &World, state_dir: &Path, shelf: &Arc<Shelf>, site: &SiteId) -> Following {
    let mut following = world.open(state_dir, shelf.clone(), settings());
    following.run_to_the_end().await;
    let file = following.uploader.state().files[0].clone();
    let at = |offset| Cursor::File { file: file.file, offset };
    let again = Fill {
        kind: FillKind::Resend,
        since: following.watch.now(),
        after: at(0),
        until: at(file.covered),
        window: Window::default(),
        chain: Chain { cursor: at(0), ..Chain::new() },
    };
    following.uploader.begin_fill(site.clone(), ChainName::parse("rewind-1").unwrap(), again).await.unwrap();
    following
}

/// A source that comes to a checkpoint after so many bytes.
fn source(world: &World, checkpoint_bytes: u64) -> Box<dyn Source> {
    let path = world.folder.path().join("rows*.csv");
    let mut source = CsvSource::open(csv::Settings { path, delimiter: b',' }, shape()).unwrap();
    source.checkpoint_bytes = checkpoint_bytes;
    Box::new(source)
}

/// Takes turns until the fill is done.
async fn work_off(world: &World, following: &Following, site: &SiteId, checkpoint_bytes: u64) {
    for _ in 0..40 {
        if !following.uploader.has_fills() {
            return;
        }
        following.wait_out_pauses();
        let (_, report) = following.uploader.fill(source(world, checkpoint_bytes), site).await;
        assert!(report.error.is_none() && report.failures.is_empty(), "{report:?}");
    }
    panic!("the fill never ends");
}

/// The rows that were sent again.
fn resent(shelf: &Shelf) -> Vec<u32> {
    let mut objects = shelf.objects.lock().unwrap().clone();
    objects.retain(|_, object| object.facts.is_resend);
    stored(&objects)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_longer_than_a_checkpoint_is_sent_again_whole_wherever_the_checkpoints_lie() {
    for checkpoint_bytes in (200..1_200).step_by(50) {
        let world = World::with_rows(&rows(0, 300));
        let state_dir = world.state_dir("state");
        let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
        let site = SiteId::parse("A").unwrap();
        let following = rewound(&world, &state_dir, &shelf, &site).await;
        work_off(&world, &following, &site, checkpoint_bytes).await;
        let expected: Vec<u32> = (0..300).filter(|n| n % 3 == 0).collect();
        assert_eq!(resent(&shelf), expected, "a checkpoint after {checkpoint_bytes} bytes");
    }
}

/// The last row of the file is a row of C.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_ends_though_the_process_died_before_it_noted_the_end() {
    for (name, rest) in [("A", 0), ("C", 2)] {
        let world = World::with_rows(&rows(0, 30));
        let state_dir = world.state_dir("state");
        let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
        let site = SiteId::parse(name).unwrap();
        let following = rewound(&world, &state_dir, &shelf, &site).await;
        work_off(&world, &following, &site, 1 << 20).await;
        following.uploader.close().unwrap();
        let crashes = shelf.crashes.lock().unwrap().clone();
        for (index, (objects, files)) in crashes.into_iter().enumerate() {
            let state_dir = world.state_dir(&format!("crash-{name}-{index}"));
            write_folder(&state_dir, &files);
            let shelf = Shelf::new(&state_dir, objects, all_fine());
            let mut following = world.open(&state_dir, shelf.clone(), settings());
            following.run_to_the_end().await;
            let was_asked = following.uploader.has_fills();
            work_off(&world, &following, &site, 1 << 20).await;
            let expected: Vec<u32> = (0..30).filter(|n| was_asked && n % 3 == rest).collect();
            let done = resent(&shelf);
            assert!(done == expected || !was_asked, "crash {index} of {name}: {done:?}");
            following.uploader.close().unwrap();
        }
    }
}

/// It was cut off behind the row that the chain had come to.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_in_a_file_that_has_become_shorter_is_not_taken_for_done() {
    let world = World::with_rows(&rows(0, 60));
    let state_dir = world.state_dir("state");
    let shelf = Shelf::new(&state_dir, Objects::new(), all_fine());
    let site = SiteId::parse("A").unwrap();
    let following = rewound(&world, &state_dir, &shelf, &site).await;
    let path = world.folder.path().join("rows.csv");
    let whole = std::fs::read_to_string(&path).unwrap();
    let half: Vec<&str> = whole.split_inclusive('\n').take(31).collect();
    let file = || std::fs::File::options().append(true).open(&path).unwrap();
    file().set_len(half.concat().len() as u64).unwrap();
    for _ in 0..3 {
        following.wait_out_pauses();
        following.uploader.fill(source(&world, 1 << 20), &site).await;
        assert!(following.uploader.has_fills());
    }
    world.append(&whole[half.concat().len()..]);
    work_off(&world, &following, &site, 1 << 20).await;
    assert_eq!(resent(&shelf), (0..60).filter(|n| n % 3 == 0).collect::<Vec<_>>());
}
