use std::sync::Arc;
use std::time::Instant;
use zonelake_schemas::clock::SystemClock;
use zonelake_schemas::*;
use zonelake_tablelog::*;
use arrow::array::*;

#[tokio::main]
async fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let store = SyncedStore::new(&dir).unwrap();
    let url = store.url().join("tables/big/").unwrap();
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(store);
    let mut text = String::from("name = \"big\"\n");
    for i in 0..20 { text += &format!("[[field]]\nname=\"f{i}\"\ntype=\"double\"\ndecimals=2\n"); }
    let def = TableDef::from_toml(&text).unwrap();
    let schemas = TableSchemas::new(&def);
    let log = delta_table(store.clone(), &url, Arc::new(SystemClock::default())).unwrap();
    let t = Instant::now();
    let snap = log.open(&def).await.unwrap();
    println!("open {} files v{}: {:?}", snap.files.len(), snap.version, t.elapsed());
    let file = |n: u64| Arc::new(DataFile { path: format!("date=2026-01-01/part-{n}.parquet"), bytes: 1000, rows: 10, date: 20454 + (n % 1500) as i32, checksum: Some(n),
        stats: schemas.file.fields().iter().map(|f| { let v = if matches!(f.data_type(), arrow::datatypes::DataType::Utf8) { StatValue::Text("vung-ang".into()) } else { StatValue::Integer(1234) }; (f.name().clone(), ColumnStats { min: Some(v.clone()), max: Some(v), nulls: 1 }) }).collect() });
    let mut version = snap.version;
    if snap.files.is_empty() {
        for k in 0..10 {
            let t = Instant::now();
            version = log.commit(LogCommit { base_version: version, adds: (0..500).map(|i| file(k * 500 + i)).collect(), ..Default::default() }).await.unwrap();
            println!("commit of 500 adds: {:?}", t.elapsed());
        }
    }
    let mut times = vec![];
    for k in 0..120u64 {
        let t = Instant::now();
        version = log.commit(LogCommit { base_version: version, adds: vec![file(100_000 + version as u64)], txns: vec![("zonelake/shard-0000".into(), k as i64)], ..Default::default() }).await.unwrap();
        times.push((t.elapsed(), version));
    }
    let slow = times.iter().max().unwrap();
    let mut sorted: Vec<_> = times.iter().map(|t| t.0).collect(); sorted.sort();
    println!("one-add commits: median {:?} p90 {:?} max {:?} at version {}", sorted[60], sorted[108], slow.0, slow.1);
    let t = Instant::now();
    let snap = log.load().await.unwrap();
    println!("load {} files: {:?}", snap.files.len(), t.elapsed());
    // write speed: rows x 10 decimal fields of random walks
    let rows_n = 2_000_000usize; let devices = 5_000u32;
    let def = TableDef::from_toml(&(String::from("name = \"w\"\n") + &(0..10).map(|i| format!("[[field]]\nname=\"f{i}\"\ntype=\"double\"\ndecimals=2\n")).collect::<String>())).unwrap();
    let schemas = TableSchemas::new(&def);
    let places = Places::new((0..devices).map(|d| Arc::new(Place { province: Some("ha-tinh".into()), zone: Some(format!("zone-{}", d % 30).into()), site: None, device: Some(format!("device-{d:05}").into()) })).collect());
    for disorder in [false, true] {
    let chunk_rows = 4096;
    let mut x = 88172645463325252u64; let mut rnd = move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; x };
    let mut walks = vec![vec![1000i32; 10]; devices as usize];
    let mut chunks = vec![]; let mut n = 0;
    while n < rows_n {
        let m = chunk_rows.min(rows_n - n);
        let mut times = vec![]; let mut keys = vec![]; let mut cols: Vec<Vec<i32>> = vec![vec![]; 10];
        for i in 0..m { let g = n + i; let d = (g as u32) % devices; let t = 1_767_225_600_000_000 + (g / devices as usize) as i64 * 1_000_000 + (rnd() % 1000) as i64;
            let t = if disorder { t - (rnd() % 60_000_000) as i64 } else { t };
            times.push(t); keys.push(d + 1); for f in 0..10 { let w = &mut walks[d as usize][f]; *w += (rnd() % 3) as i32 - 1; cols[f].push(*w); } }
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC")), Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")), Arc::new(UInt32Array::from(keys)), Arc::new(UInt8Array::from(vec![0; m])), Arc::new(BooleanArray::from(vec![false; m]))];
        for c in cols { arrays.push(Arc::new(Decimal32Array::from(c).with_precision_and_scale(9, 2).unwrap())); }
        chunks.push(RecordBatch::try_new(schemas.live.clone(), arrays).unwrap()); n += m;
    }
    let root = object_store::path::Path::from_url_path(url.path()).unwrap().join("w");
    for _ in 0..2 {
    let t = Instant::now();
    let files = write_sorted(SortInput { def: &def, schemas: &schemas, chunks: &chunks, places: &places }, store.clone(), &root, &ParquetOptions::default()).await.unwrap();
    let s = t.elapsed().as_secs_f64();
    println!("disorder {disorder}: wrote {} rows, {} files, {} bytes ({:.2} B/reading) in {:.2} s: {:.1} M readings/s", rows_n, files.len(), files.iter().map(|f| f.bytes).sum::<u64>(), files.iter().map(|f| f.bytes).sum::<u64>() as f64 / (rows_n * 10) as f64, s, rows_n as f64 * 10.0 / s / 1e6);
    let t = Instant::now();
    for f in &files { verify_file(&schemas, &store, &root, f).await.unwrap(); }
    println!("verify {:.2} s", t.elapsed().as_secs_f64());
    }
    }
}
