// job_queue: work to be done later, by a few workers in the background. Submitting waits while the
// queue is full, which slows down who submits too much. A job that fails is tried again, each time
// after a longer pause, three times in all. Closing the queue lets it drain.
//
//   $ ./job_queue
//   gave up letter 13: no such mailbox
//   19 letters sent, 1 given up, 26 attempts

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/limit.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/time.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <expected>
#include <functional>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

// outcome: nothing, or why it failed.
using outcome = std::expected<void, std::string>;

struct job {
  std::string name;
  std::function<outcome(int attempt)> work;
};

class job_queue {
 public:
  job_queue(int workers, int room) : jobs_(room) {
    for (int i = 0; i < workers; ++i) {
      workers_.go({.name = "worker"}, [this] {
        for (const job& next : jobs_) perform(next);
      });
    }
  }
  // Waits until all that was submitted is done or given up.
  ~job_queue() { jobs_.close(); }

  weft::result<void> submit(job j, const weft::limit& l = {}) {
    return jobs_.send(std::move(j), l);
  }

 private:
  static constexpr int attempts_max = 3;

  static void perform(const job& j) {
    auto pause = 1ms;
    for (int attempt = 1;; ++attempt, pause *= 4) {
      const auto done = j.work(attempt);
      if (done) return;
      if (attempt == attempts_max) {
        std::printf("gave up %s: %s\n", j.name.c_str(), done.error().c_str());
        return;
      }
      if (!weft::sleep_for(pause, weft::context::current())) return;
    }
  }

  weft::channel<job> jobs_;
  weft::scope workers_;  // ends first: its goroutines use the channel
};

}  // namespace

int main() {
  return weft::run([] {
    std::atomic<int> sent{0}, attempts{0};
    {
      job_queue queue(3, 4);
      for (int i = 1; i <= 20; ++i) {
        auto send_letter = [&, i](int attempt) -> outcome {
          ++attempts;
          if (i == 13) return std::unexpected("no such mailbox");
          if (i % 5 == 0 && attempt == 1) return std::unexpected("try again");
          ++sent;
          return {};
        };
        if (auto taken = queue.submit({"letter " + std::to_string(i), send_letter}, 10s); !taken) {
          std::fprintf(stderr, "job_queue: %s\n", taken.error().message().c_str());
          return 1;
        }
      }
    }
    std::printf("%d letters sent, %d given up, %d attempts\n", sent.load(), 20 - sent.load(),
                attempts.load());
    return 0;
  });
}
