// A storm of cancellations over everything that waits: workers begin waits of random kinds on
// shared objects, and random things end them: timeouts, contexts, stop tokens, the scope around
// them, or what they wait for. Afterwards nothing may be left behind: no goroutine, no descriptor,
// nobody in a queue, no lock held, no value lost.
//
// WEFT_STORM=count[,seed] sets how many waits there are, and repeats a run's choices.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/barrier.h>
#include <weft/channel.h>
#include <weft/cond.h>
#include <weft/context.h>
#include <weft/error_group.h>
#include <weft/file.h>
#include <weft/go.h>
#include <weft/latch.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/once.h>
#include <weft/process.h>
#include <weft/runtime.h>
#include <weft/rwmutex.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/singleflight.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "sync/sync_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

struct size_of_storm {
  int waits = sync_test::scaled(100'000);
  unsigned seed = 1;
};

size_of_storm asked_for() {
  size_of_storm s;
  if (const char* text = std::getenv("WEFT_STORM")) {
    char* rest = nullptr;
    s.waits = static_cast<int>(std::strtol(text, &rest, 10));
    if (*rest == ',') s.seed = static_cast<unsigned>(std::strtoul(rest + 1, nullptr, 10));
  }
  return s;
}

// dice: of one worker.
class dice {
 public:
  explicit dice(unsigned seed) : engine_(seed) {}
  // below: 0 to n - 1.
  int below(int n) { return static_cast<int>(engine_() % static_cast<unsigned>(n)); }

 private:
  std::minstd_rand engine_;
};

// world: what is waited for. The waits on most of it are ended by their limits alone.
struct world {
  channel<int> unbuffered{0};
  channel<int> buffered{4};
  channel<std::unique_ptr<int>> owning{1};
  mutex lock;
  rwmutex shared_lock;
  mutex news_lock;
  cond news;
  semaphore seats{3};
  latch shut{1};
  wait_group group;
  once never_done;
  singleflight<int, int> flights;
  channel<int> leave{0};
  cancellable never = with_cancel(context::background());
  net::listener listener = net::listen("unix", "@weft-storm-" + std::to_string(::getpid())).value();
  net::conn silent = net::dial("unix", listener.local_address().to_string()).value();
  net::conn deaf = listener.accept().value();  // the other end of `silent`: nobody reads from it
  net::packet_conn mute = net::listen_packet("udp", "127.0.0.1:0").value();  // nobody sends to it
  // One connection fills its queue: who dials it as well waits.
  net::listener full = net::listen("tcp", "127.0.0.1:0", {.backlog = 0}).value();
  std::string full_at = full.local_address().to_string();
  net::conn filling = net::dial("tcp", full_at).value();
  std::pair<net::pipe_conn, net::pipe_conn> ends = net::pipe();
  pipe_ends empty = pipe().value();
  file regular = open("/proc/self/exe").value();

  std::atomic<long> sent{0};
  std::atomic<long> received{0};
  std::atomic<long> piped_in{0};
  std::atomic<long> piped_out{0};
};

// ended_as_it_may: a wait ends by what it waited for, or by its limit.
template <class R>
void ended_as_it_may(const R& r) {
  if (r) return;
  const std::error_code code = r.error();
  EXPECT_TRUE(code == errc::timeout || code == errc::cancelled) << code.message();
}

using wait_kind = void (*)(world&, dice&, const limit&);

void receive(world& w, const channel<int>& from, const limit& l) {
  const auto got = from.recv(l);
  if (got) ++w.received;
  ended_as_it_may(got);
}

void send_to(world& w, const channel<int>& to, const limit& l) {
  const auto done = to.send(1, l);
  if (done) ++w.sent;
  ended_as_it_may(done);
}

const wait_kind kinds[] = {
    [](world& w, dice&, const limit& l) { receive(w, w.unbuffered, l); },
    [](world& w, dice&, const limit& l) { send_to(w, w.unbuffered, l); },
    [](world& w, dice&, const limit& l) { receive(w, w.buffered, l); },
    [](world& w, dice&, const limit& l) { send_to(w, w.buffered, l); },
    [](world& w, dice&, const limit& l) {
      const auto got = w.owning.recv(l);
      if (got) w.received += **got;
      ended_as_it_may(got);
    },
    [](world& w, dice&, const limit& l) {
      auto value = std::make_unique<int>(1);
      const auto done = w.owning.send(std::move(value), l);
      EXPECT_EQ(done.has_value(), value == nullptr);
      if (done) ++w.sent;
      ended_as_it_may(done);
    },
    [](world& w, dice& d, const limit& l) {
      const auto held = w.lock.lock(l);
      ended_as_it_may(held);
      if (!held) return;
      if (d.below(4) == 0) yield();
      w.lock.unlock();
    },
    [](world& w, dice&, const limit& l) { ended_as_it_may(w.group.wait(l)); },
    [](world& w, dice&, const limit& l) { ended_as_it_may(w.never_done.call([] {}, l)); },
    [](world& w, dice&, const limit& l) { ended_as_it_may(w.never.ctx.wait(l)); },
    [](world&, dice&, const limit& l) { ended_as_it_may(sleep_for(1h, l)); },
    [](world&, dice&, const limit& l) { ended_as_it_may(channel<int>().recv(l)); },
    [](world&, dice&, const limit& l) {
      scope s;
      s.go([&] { static_cast<void>(s.context().wait()); });
      ended_as_it_may(s.wait(l));
      s.cancel();
    },
    [](world&, dice&, const limit& l) {
      scope s;
      auto child = s.spawn([&] { static_cast<void>(s.context().wait()); });
      ended_as_it_may(child.get(l));
      s.cancel();
    },
    [](world& w, dice&, const limit& l) {
      char byte = 0;
      ended_as_it_may(w.silent.read({&byte, 1}, l));
    },
    [](world& w, dice&, const limit& l) {
      static const std::string much(1 << 20, 'x');
      const auto written = w.silent.write(much, l);
      if (!written) {
        const std::error_code code = written.error();
        EXPECT_TRUE(code == errc::timeout || code == errc::cancelled) << code.message();
      }
    },
    [](world& w, dice&, const limit& l) { ended_as_it_may(w.listener.accept(l)); },
    [](world& w, dice& d, const limit& l) {
      const auto held = w.shared_lock.lock(l);
      ended_as_it_may(held);
      if (!held) return;
      if (d.below(4) == 0) yield();
      w.shared_lock.unlock();
    },
    [](world& w, dice& d, const limit& l) {
      const auto held = w.shared_lock.lock_shared(l);
      ended_as_it_may(held);
      if (!held) return;
      if (d.below(4) == 0) yield();
      w.shared_lock.unlock_shared();
    },
    [](world& w, dice& d, const limit& l) {
      std::unique_lock hold(w.news_lock);
      if (d.below(4) == 0) w.news.notify_one();
      ended_as_it_may(w.news.wait(hold, l));
      EXPECT_TRUE(hold.owns_lock());
    },
    [](world& w, dice& d, const limit& l) {
      const int n = 1 + d.below(3);
      const auto held = w.seats.acquire(n, l);
      ended_as_it_may(held);
      if (!held) return;
      if (d.below(4) == 0) yield();
      w.seats.release(n);
    },
    [](world& w, dice&, const limit& l) { ended_as_it_may(w.shut.wait(l)); },
    [](world&, dice& d, const limit& l) {
      barrier<> both(2);
      const bool comes = d.below(2) == 0;
      scope s;
      s.go([&] {
        yield();
        if (comes) static_cast<void>(both.arrive());
      });
      ended_as_it_may(both.arrive_and_wait(l));
    },
    [](world& w, dice& d, const limit& l) {
      const auto answer = w.flights.call(
          d.below(3), [&]() -> result<int> { return std::unexpected(w.never.ctx.wait(l).error()); },
          l);
      ended_as_it_may(answer.value);
    },
    [](world&, dice&, const limit& l) {
      scope s;
      s.go([&] { static_cast<void>(s.context().wait()); });
      ended_as_it_may(s.join(l));
      s.cancel();
    },
    [](world&, dice&, const limit& l) {
      const auto [ctx, cancel] = with_cancel(context::background());
      error_group all(ctx);
      all.set_limit(1);
      all.go([&] { static_cast<void>(all.context().wait()); }).value();
      ended_as_it_may(all.go([] {}, l));
      ended_as_it_may(all.wait(l));
      cancel();
    },
    [](world& w, dice&, const limit& l) {
      char byte = 0;
      ended_as_it_may(w.mute.read({&byte, 1}, l));
    },
    [](world& w, dice&, const limit& l) { ended_as_it_may(net::dial("tcp", w.full_at, l)); },
    [](world& w, dice&, const limit& l) {
      char bytes[2];
      const auto n = w.ends.first.read(bytes, l);
      if (n) w.piped_out += static_cast<long>(*n);
      ended_as_it_may(n);
    },
    [](world& w, dice&, const limit& l) {
      const auto n = w.ends.second.write("three", l);
      w.piped_in += static_cast<long>(n ? *n : n.error().written());
      if (!n) ended_as_it_may(result<void>(std::unexpected<error>(n.error())));
    },
    [](world& w, dice&, const limit& l) {
      char byte = 0;
      ended_as_it_may(w.empty.reader.read({&byte, 1}, l));
    },
    // These cost a thread, or a process: some are enough.
    [](world& w, dice& d, const limit& l) {
      if (d.below(16) != 0) return ended_as_it_may(sleep_for(1h, l));
      char byte = 0;
      ended_as_it_may(w.regular.pread({&byte, 1}, 0, l));
    },
    [](world&, dice& d, const limit& l) {
      if (d.below(16) != 0) return ended_as_it_may(sleep_for(1h, l));
      ended_as_it_may(net::dial_packet("udp", "localhost:9", l));
    },
    [](world&, dice& d, const limit& l) {
      if (d.below(200) != 0) return ended_as_it_may(sleep_for(1h, l));
      auto child = process::start({.args = {"sleep", "3600"}}).value();
      ended_as_it_may(child.wait(l));
      if (d.below(2) == 0) ended_as_it_may(child.finish(l));
    },
};

// some_select: between both channels, and what ends it.
void some_select(world& w, dice& d) {
  auto [ctx, cancel] = with_timeout(context(), std::chrono::microseconds(d.below(50)));
  select(recv(w.unbuffered, [&](int) { ++w.received; }), send(w.buffered, 1, [&] { ++w.sent; }),
         recv(w.buffered, [&](int) { ++w.received; }), send(w.unbuffered, 1, [&] { ++w.sent; }),
         done(ctx, [] {}));
}

// one_wait: and what ends it, from somewhere else.
void one_wait(world& w, dice& d) {
  const auto kind = d.below(static_cast<int>(std::size(kinds)) + 1);
  if (kind == static_cast<int>(std::size(kinds))) return some_select(w, d);
  const auto wait = kinds[kind];
  const int steps = d.below(4);  // of the one who ends it, before it does
  switch (d.below(5)) {
    case 0: return wait(w, d, std::chrono::microseconds(d.below(50)));
    case 1: {
      auto [ctx, cancel] = with_cancel(context::current());
      go([steps, end = cancel] {
        for (int i = 0; i < steps; ++i) yield();
        end();
      });
      return wait(w, d, ctx);
    }
    case 2: {
      std::stop_source stop;
      go([steps, stop]() mutable {
        for (int i = 0; i < steps; ++i) yield();
        stop.request_stop();
      });
      return wait(w, d, stop.get_token());
    }
    case 3: {
      auto [outer, cancel] = with_cancel(context::current());
      go([steps, end = cancel] {
        for (int i = 0; i < steps; ++i) yield();
        end();
      });
      const auto inner = with_timeout(context(), std::chrono::microseconds(d.below(50))).ctx;
      return wait(w, d, {outer, inner});
    }
    default: {
      // Input and output end with the scope by themselves; the rest is told.
      scope s;
      s.go([&] { wait(w, d, s.context()); });
      for (int i = 0; i < steps; ++i) yield();
      s.cancel();
    }
  }
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void drain(world& w) {
  while (w.buffered.try_recv()) ++w.received;
  while (w.owning.try_recv()) ++w.received;
}

TEST(storm, of_cancellations_leaves_nothing_behind) {
  const auto size = asked_for();
  constexpr int workers = 64;
  weft::run([] {});  // what the first runtime opens for good is open now
  const auto before = open_descriptors();
  weft::run([&] {
    {
      world w;
      w.group.add(1);
      go([&] { w.never_done.call([&] { static_cast<void>(w.leave.recv()); }); });
      sync_test::wait_until_parked(sched::wait_reason::chan_receive, 1);
      wait_group all;
      for (unsigned i = 0; i < workers; ++i) {
        all.go([&, i] {
          dice d(size.seed * workers + i);
          for (int n = size.waits / workers; n > 0; --n) one_wait(w, d);
        });
      }
      all.wait().value();
      drain(w);
      EXPECT_EQ(w.sent, w.received);
      EXPECT_EQ(w.piped_in, w.piped_out);
      EXPECT_TRUE(w.lock.try_lock());
      w.lock.unlock();
      EXPECT_TRUE(w.shared_lock.try_lock());
      w.shared_lock.unlock();
      EXPECT_TRUE(w.news_lock.try_lock());
      w.news_lock.unlock();
      EXPECT_TRUE(w.seats.try_acquire(3));
      w.seats.release(3);
      for (int key = 0; key < 3; ++key) {
        EXPECT_FALSE(w.flights.call(key, [] { return 1; }).shared);
      }
      w.group.done();
      w.leave.close();
      // Whoever were left in a queue would be served now, and count.
      EXPECT_FALSE(w.unbuffered.try_send(1));
      EXPECT_FALSE(w.unbuffered.try_recv());
      for (int i = 0; i < 4; ++i) EXPECT_TRUE(w.buffered.try_send(1));
      EXPECT_FALSE(w.buffered.try_send(1));
      const receiver<int> last = w.unbuffered;
      w.unbuffered = {};
      EXPECT_FALSE(last.has_senders());
      EXPECT_TRUE(w.never_done.call([] { ADD_FAILURE(); }));
    }
    sync_test::wait_until([] { return goroutine_count() == 1; });
  });
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no child is left";
}

}  // namespace
}  // namespace weft
