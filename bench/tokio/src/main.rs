//! weft-bench-tokio: the tokio side of ./dev bench, a row a process: see bench/row.h. Tasks stand for
//! goroutines, tokio's own channels, locks and timers for ours. WEFT_MAXPROCS sets the workers.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch, Mutex, RwLock};
use tokio_util::sync::CancellationToken;

const MILLION: usize = 1_000_000;

/// How large a row is measured; operations is the sum over all that take part.
#[derive(Clone, Copy)]
struct Shape {
    n: usize,
    operations: usize,
}

impl Shape {
    fn each(self) -> usize {
        (self.operations / self.n).max(1)
    }
}

fn say(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.3} {unit}");
}

fn ns_each(start: Instant, items: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / items as f64
}

async fn join_all(all: Vec<tokio::task::JoinHandle<()>>) {
    for one in all {
        one.await.expect("a task panicked");
    }
}

async fn yield_(s: Shape) {
    let start = Instant::now();
    let all = (0..s.n)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..s.each() {
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    join_all(all).await;
    say("yield", ns_each(start, s.n * s.each()), "ns");
}

async fn spawn(name: &str, batches: usize, size: usize) {
    let start = Instant::now();
    for _ in 0..batches {
        join_all((0..size).map(|_| tokio::spawn(async {})).collect()).await;
    }
    say(name, ns_each(start, batches * size), "ns");
}

/// n pairs of one sender and one receiver. The smallest channel holds one.
async fn channel(name: &str, s: Shape, capacity: usize) {
    let each = s.each();
    let start = Instant::now();
    let mut receivers = Vec::new();
    for _ in 0..s.n {
        let (to, mut from) = mpsc::channel::<usize>(capacity);
        tokio::spawn(async move {
            for i in 0..each {
                to.send(i).await.expect("closed");
            }
        });
        receivers.push(tokio::spawn(async move {
            let mut sum = 0;
            while let Some(i) = from.recv().await {
                sum += i;
            }
            assert_eq!(sum, each * (each - 1) / 2, "lost an item");
        }));
    }
    join_all(receivers).await;
    say(name, ns_each(start, s.n * each), "ns");
}

/// n senders, one receiver.
async fn channel_many(name: &str, s: Shape, capacity: usize) {
    let each = s.each();
    let (to, mut from) = mpsc::channel::<usize>(capacity);
    let start = Instant::now();
    for _ in 0..s.n {
        let to = to.clone();
        tokio::spawn(async move {
            for _ in 0..each {
                to.send(1).await.expect("closed");
            }
        });
    }
    drop(to);
    let mut sum = 0;
    while let Some(i) = from.recv().await {
        sum += i;
    }
    assert_eq!(sum, s.n * each, "lost an item");
    say(name, ns_each(start, sum), "ns");
}

type Ends = (Vec<mpsc::Sender<usize>>, Vec<mpsc::Receiver<usize>>);

fn channels(ways: usize) -> Ends {
    (0..ways).map(|_| mpsc::channel(1)).unzip()
}

async fn choose(all: &mut [mpsc::Receiver<usize>]) -> usize {
    match all {
        [a, b] => tokio::select! { Some(n) = a.recv() => n, Some(n) = b.recv() => n, else => 0 },
        [a, b, c, d] => tokio::select! {
            Some(n) = a.recv() => n, Some(n) = b.recv() => n,
            Some(n) = c.recv() => n, Some(n) = d.recv() => n, else => 0
        },
        _ => unreachable!("two or four"),
    }
}

async fn select_ready(name: &str, s: Shape, ways: usize) {
    let each = s.each();
    let start = Instant::now();
    let all = (0..s.n)
        .map(|_| {
            tokio::spawn(async move {
                let (to, mut from) = channels(ways);
                let mut sum = 0;
                for i in 0..each {
                    to[i % ways].send(1).await.expect("closed");
                    sum += choose(&mut from).await;
                }
                assert_eq!(sum, each, "a select lost a value");
            })
        })
        .collect();
    join_all(all).await;
    say(name, ns_each(start, s.n * each), "ns");
}

async fn select_blocking(name: &str, s: Shape, ways: usize) {
    let each = s.each();
    let start = Instant::now();
    let mut receivers = Vec::new();
    for _ in 0..s.n {
        let (to, mut from) = channels(ways);
        tokio::spawn(async move {
            for i in 0..each {
                to[i % ways].send(1).await.expect("closed");
            }
        });
        receivers.push(tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..each {
                sum += choose(&mut from).await;
            }
            assert_eq!(sum, each, "a select lost a value");
        }));
    }
    join_all(receivers).await;
    say(name, ns_each(start, s.n * each), "ns");
}

async fn select_stop(name: &str, s: Shape, shared: bool) {
    let one = CancellationToken::new();
    let (mut inboxes, mut words, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..s.n {
        let (to, mut from) = mpsc::channel::<usize>(1);
        let word = if shared { one.clone() } else { CancellationToken::new() };
        inboxes.push(to);
        words.push(word.clone());
        all.push(tokio::spawn(async move {
            loop {
                tokio::select! { Some(_) = from.recv() => {}, () = word.cancelled() => break }
            }
        }));
    }
    for inbox in &inboxes {
        inbox.send(0).await.expect("closed");
    }
    let start = Instant::now();
    for _ in 0..s.each() {
        for inbox in &inboxes {
            inbox.send(1).await.expect("closed");
        }
    }
    let each = ns_each(start, s.n * s.each());
    for word in &words {
        word.cancel();
    }
    join_all(all).await;
    say(name, each, "ns");
}

async fn mutex(s: Shape) {
    let guard = Arc::new(Mutex::new(0usize));
    let start = Instant::now();
    let all = (0..s.n)
        .map(|_| {
            let guard = guard.clone();
            tokio::spawn(async move {
                for _ in 0..s.each() {
                    *guard.lock().await += 1;
                }
            })
        })
        .collect();
    join_all(all).await;
    say("mutex", ns_each(start, s.n * s.each()), "ns");
    assert_eq!(*guard.lock().await, s.n * s.each(), "lost an increment");
}

async fn rwmutex_read(s: Shape) {
    let guard = Arc::new(RwLock::new(1usize));
    let start = Instant::now();
    let all = (0..s.n)
        .map(|_| {
            let guard = guard.clone();
            tokio::spawn(async move {
                let mut sum = 0;
                for _ in 0..s.each() {
                    sum += *guard.read().await;
                }
                assert_eq!(sum, s.each(), "a reader read something else");
            })
        })
        .collect();
    join_all(all).await;
    say("rwmutex_read", ns_each(start, s.n * s.each()), "ns");
}

fn skynet_node(
    result: mpsc::Sender<usize>,
    number: usize,
    size: usize,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if size == 1 {
            return result.send(number).await.expect("closed");
        }
        let (to, mut from) = mpsc::channel(1);
        for i in 0..10 {
            tokio::spawn(skynet_node(to.clone(), number + i * (size / 10), size / 10));
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += from.recv().await.expect("closed");
        }
        result.send(sum).await.expect("closed");
    })
}

async fn skynet(s: Shape) {
    let (to, mut from) = mpsc::channel(1);
    let start = Instant::now();
    tokio::spawn(skynet_node(to, 0, s.n));
    assert_eq!(from.recv().await, Some(s.n * (s.n - 1) / 2), "skynet added wrongly");
    say("skynet", start.elapsed().as_secs_f64() * 1000.0, "ms");
}

fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: f64 = text.split_whitespace().nth(1).expect("statm").parse().expect("statm");
    pages * 4096.0
}

/// n tasks that wait for one word.
async fn gather(n: usize) -> (watch::Sender<bool>, Vec<tokio::task::JoinHandle<()>>) {
    let (to, from) = watch::channel(false);
    let begun = Arc::new(AtomicUsize::new(0));
    let mut all = Vec::with_capacity(n);
    for _ in 0..n {
        let (mut from, begun) = (from.clone(), begun.clone());
        all.push(tokio::spawn(async move {
            begun.fetch_add(1, Ordering::Relaxed);
            from.changed().await.expect("gone");
        }));
    }
    while begun.load(Ordering::Relaxed) < n {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (to, all)
}

async fn crowd(s: Shape) {
    let before = resident_bytes();
    let (gate, all) = gather(s.n).await;
    let grown = resident_bytes() - before;
    let start = Instant::now();
    gate.send(true).expect("nobody waits");
    join_all(all).await;
    let woken = ns_each(start, s.n);
    say("parked_bytes", grown / s.n as f64, "B");
    say("wake", woken, "ns");
}

async fn spike(s: Shape) {
    for (n, last) in [(1000, false), (s.n, true)] {
        let before = resident_bytes();
        let (gate, all) = gather(n).await;
        gate.send(true).expect("nobody waits");
        join_all(all).await;
        if last {
            tokio::time::sleep(Duration::from_secs(5)).await;
            say("spike_left", 100.0 * resident_bytes() / before, "%");
            say("spike_left_mb", (resident_bytes() - before) / 1e6, "MB");
        }
    }
}

/// User and system time of this process, from its stat file.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = text[text.rfind(')').expect("stat") + 2..].split(' ').collect();
    let ticks = |i: usize| fields[i].parse::<f64>().expect("stat");
    (ticks(11) + ticks(12)) / 100.0
}

async fn sleepers(s: Shape) {
    let start = Instant::now();
    let all = (0..s.n).map(|_| tokio::spawn(tokio::time::sleep(Duration::from_secs(1)))).collect();
    join_all(all).await;
    say("sleepers", start.elapsed().as_secs_f64(), "s");
    say("sleepers_cpu", cpu_seconds(), "s");
}

/// A timer is started by the first poll, and stopped by being dropped.
async fn timer_start_stop(s: Shape) {
    let start = Instant::now();
    let all = (0..s.n)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..s.each() {
                    let mut hour = Box::pin(tokio::time::sleep(Duration::from_secs(3600)));
                    std::future::poll_fn(|context| {
                        assert!(hour.as_mut().poll(context).is_pending());
                        std::task::Poll::Ready(())
                    })
                    .await;
                }
            })
        })
        .collect();
    join_all(all).await;
    say("timer_start_stop", ns_each(start, s.n * s.each()), "ns");
}

async fn serve(mut conn: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let n = conn.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        conn.write_all(&buffer[..n]).await?;
    }
}

/// A task that waits holds no buffer.
async fn serve_lent(mut conn: TcpStream) -> std::io::Result<()> {
    loop {
        conn.readable().await?;
        let mut message = Vec::new();
        match conn.try_read_buf(&mut message) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        conn.write_all(&message).await?;
        drop(message);
    }
}

async fn echo(lent: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    println!("listening on {}", listener.local_addr().expect("listen"));
    loop {
        let Ok((conn, _)) = listener.accept().await else { continue };
        conn.set_nodelay(true).expect("nodelay");
        if lent {
            tokio::spawn(serve_lent(conn));
        } else {
            tokio::spawn(serve(conn));
        }
    }
}

const ROWS: &[(&str, Shape)] = &[
    ("yield", Shape { n: 2, operations: 4 * MILLION }),
    ("spawn_join", Shape { n: 1000, operations: MILLION }),
    ("spawn_1m", Shape { n: MILLION, operations: 0 }),
    ("channel_unbuffered", Shape { n: 1, operations: MILLION }),
    ("channel_128", Shape { n: 1, operations: 5 * MILLION }),
    ("channel_many", Shape { n: 8, operations: MILLION }),
    ("channel_many_128", Shape { n: 8, operations: 2 * MILLION }),
    ("select_ready_2", Shape { n: 1, operations: 2 * MILLION }),
    ("select_ready_4", Shape { n: 1, operations: 2 * MILLION }),
    ("select_blocking_2", Shape { n: 1, operations: MILLION }),
    ("select_blocking_4", Shape { n: 1, operations: MILLION }),
    ("select_stop_private", Shape { n: 1000, operations: MILLION }),
    ("select_stop_shared", Shape { n: 1000, operations: MILLION }),
    ("mutex", Shape { n: 1, operations: 10 * MILLION }),
    ("rwmutex_read", Shape { n: 1, operations: 10 * MILLION }),
    ("skynet", Shape { n: MILLION, operations: 0 }),
    ("crowd", Shape { n: MILLION, operations: 0 }),
    ("spike", Shape { n: MILLION, operations: 0 }),
    ("sleepers", Shape { n: MILLION, operations: 0 }),
    ("timer_start_stop", Shape { n: 1, operations: 2 * MILLION }),
];

async fn run(row: &'static str, s: Shape) {
    match row {
        "yield" => yield_(s).await,
        "spawn_join" => spawn(row, s.each(), s.n).await,
        "spawn_1m" => spawn(row, 1, s.n).await,
        "channel_unbuffered" => channel(row, s, 1).await,
        "channel_128" => channel(row, s, 128).await,
        "channel_many" => channel_many(row, s, 1).await,
        "channel_many_128" => channel_many(row, s, 128).await,
        "select_ready_2" => select_ready(row, s, 2).await,
        "select_ready_4" => select_ready(row, s, 4).await,
        "select_blocking_2" => select_blocking(row, s, 2).await,
        "select_blocking_4" => select_blocking(row, s, 4).await,
        "select_stop_private" => select_stop(row, s, false).await,
        "select_stop_shared" => select_stop(row, s, true).await,
        "mutex" => mutex(s).await,
        "rwmutex_read" => rwmutex_read(s).await,
        "skynet" => skynet(s).await,
        "crowd" => crowd(s).await,
        "spike" => spike(s).await,
        "sleepers" => sleepers(s).await,
        "timer_start_stop" => timer_start_stop(s).await,
        _ => unreachable!("every row of ROWS is above"),
    }
}

fn version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let entry = lock.split("name = \"tokio\"\nversion = \"").nth(1).unwrap_or("unknown\"");
    entry.split('"').next().unwrap_or("unknown")
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let what = words.first().map_or("", String::as_str);
    let number = |key: &str, otherwise: f64| {
        words.iter().find_map(|word| word.strip_prefix(key)?.parse().ok()).unwrap_or(otherwise)
    };
    let workers = std::env::var("WEFT_MAXPROCS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("a runtime");
    match what {
        "rows" => ROWS.iter().for_each(|(name, _)| println!("{name}")),
        "version" => println!("tokio {}", version()),
        "echo" => runtime.block_on(echo(false)),
        "echo_lent" => runtime.block_on(echo(true)),
        _ => {
            let Some(&(name, usual)) = ROWS.iter().find(|(name, _)| *name == what) else {
                eprintln!("usage: weft-bench-tokio ROW [n=N] [effort=F] | rows | version | echo");
                std::process::exit(2);
            };
            let s = Shape {
                n: number("n=", usual.n as f64) as usize,
                operations: (number("effort=", 1.0) * usual.operations as f64) as usize,
            };
            // On a worker, as everything else: the thread that waits here is none.
            runtime.block_on(runtime.spawn(run(name, s))).expect("the row panicked");
        }
    }
}
