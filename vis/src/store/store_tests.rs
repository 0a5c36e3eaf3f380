use super::*;

fn kept(number: u32) -> Kept {
    let text = format!(
        r#"{{"version":"1","number":{number},"profile":"web","name":"tap0","owner_name":null,
            "owner_uuid":"67e55044-10b1-426f-9247-bb680e5fe0c8","mac":"02:00:00:00:00:01","mtu":1500,
            "place":{{"ethernet":1,"channel":7}},"detached":false}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("vis-store-{name}-{}", std::process::id()))
}

#[test]
fn what_is_kept_is_there_after_a_restart_and_what_is_forgotten_is_not() {
    let folder = folder("kept");
    let path = folder.join("vis.redb");
    let [a, b] = [Uuid([1; 16]), Uuid([2; 16])];
    let (store, before) = Store::open(&path, a).unwrap();
    assert!(before.veths.is_empty() && before.choices.is_empty());
    store.keep(vec![(a, Some(kept(1))), (b, Some(kept(2)))]);
    store.keep(vec![(b, None), (a, Some(kept(3)))]);
    let [one, other] = [1u32, 4095].map(|veth| VethId::try_from(veth).unwrap());
    let choice = Choice {
        profile: "quarantine".parse().unwrap(),
        vnic: Some(a),
    };
    store.keep_choice(one, Some(choice.clone()));
    store.keep_choice(other, Some(choice.clone()));
    store.keep_choice(other, None);
    let in_use = Store::open(&path, Uuid([9; 16])).unwrap_err().to_string();
    assert!(in_use.contains("another `vis`"), "{in_use}");
    drop(store);
    let (store, after) = Store::open(&path, b).unwrap();
    assert_eq!(after.veths, [(a, kept(3))]);
    assert_eq!(after.choices, [(one, choice)].into());
    assert_eq!(after.identity, a, "it is still the same switch");
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn only_its_owner_reads_and_writes_it_also_if_it_was_open_to_others() {
    let folder = folder("mode");
    let path = folder.join("vis.redb");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    drop(Store::open(&path, Uuid([1; 16])).unwrap());
    assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let (store, contents) = Store::open(&path, Uuid([2; 16])).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(contents.identity, Uuid([1; 16]), "and it is the same store");
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_store_that_cannot_be_understood_is_refused_and_left_as_it_is() {
    let folder = folder("odd");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("vis.redb");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let uuid = Uuid([1; 16]).to_string();
    transaction
        .open_table(VETHS)
        .unwrap()
        .insert(&*uuid, br#"{"version":"9"}"#.as_slice())
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Store::open(&path, Uuid([9; 16])).unwrap_err().to_string();
    assert!(error.contains(&uuid), "{error}");
    std::fs::remove_file(&path).unwrap();
    drop(Store::open(&path, Uuid([1; 16])).unwrap());
    let good = std::fs::read(&path).unwrap();
    let mut refused = 0;
    // At some of these redb panics.
    for at in (0..good.len().min(0x4000)).step_by(72) {
        let mut damaged = good.clone();
        damaged[at] = b'x';
        std::fs::write(&path, damaged).unwrap();
        if let Err(error) = Store::open(&path, Uuid([9; 16])) {
            assert!(error.to_string().contains("move it away"), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 0);
    std::fs::write(&path, "not a store").unwrap();
    let error = Store::open(&path, Uuid([9; 16])).unwrap_err().to_string();
    assert!(error.contains("move it away"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"not a store");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_store_without_choices_is_read_as_one_in_which_there_are_none() {
    let folder = folder("older");
    let path = folder.join("vis.redb");
    let a = Uuid([1; 16]);
    let (store, _) = Store::open(&path, a).unwrap();
    store.keep(vec![(a, Some(kept(1)))]);
    drop(store);
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(transaction.delete_table(choices::CHOICES).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let (store, contents) = Store::open(&path, a).unwrap();
    assert_eq!(contents.veths, [(a, kept(1))]);
    assert!(contents.choices.is_empty());
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}
