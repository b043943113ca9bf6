// tails: how late goroutines run that were due, under load. Two hundred goroutines sleep until
// moments of a Poisson process that is fixed beforehand (a late one does not move the next: no
// coordinated omission). Each then sends a job to a partner, which computes for 50 microseconds:
// together they take `load` of the processors. Hogs compute all the time beside them.
//
// Prints quantiles of two delays in microseconds: timer, from the moment a goroutine was due until
// it ran; and channel, from the send until the partner ran. bench/go/tails.go is the same for Go.

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "weft/rows.h"

namespace bench {
namespace {

constexpr int workers = 200;
constexpr auto service = std::chrono::microseconds(50);
constexpr auto warming = std::chrono::milliseconds(500);

using delays = std::vector<double>;

double microseconds(clock_type::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

void say_quantiles(const std::string& name, std::vector<delays>& parts) {
  delays all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  require(all.size() > 1000, "too few samples for a tail");
  std::ranges::sort(all);
  const auto quantile = [&](double q) {
    return all[static_cast<std::size_t>(q * static_cast<double>(all.size() - 1))];
  };
  say((name + "_p50").c_str(), quantile(0.5), "us");
  say((name + "_p99").c_str(), quantile(0.99), "us");
  say((name + "_p99.9").c_str(), quantile(0.999), "us");
}

}  // namespace

void tails(const tails_options& options) {
  const auto steps = burn_steps(service);
  const double arrivals_per_s = options.load * static_cast<double>(weft::max_procs()) /
                                std::chrono::duration<double>(service).count();
  const double mean_gap_s = workers / arrivals_per_s;
  std::vector<delays> timer_delays(workers);
  std::vector<delays> channel_delays(workers);
  std::atomic<bool> over = false;
  weft::wait_group hogs;
  for (int i = 0; i < options.hogs; ++i)
    hogs.go([&] {
      // relaxed: only that it comes, not what came before.
      while (!over.load(std::memory_order_relaxed)) burn(1000);
    });

  const auto begin = clock_type::now();
  const auto counted = begin + warming;
  const auto end = counted + std::chrono::duration_cast<clock_type::duration>(
                                 std::chrono::duration<double>(options.seconds));
  weft::wait_group done;
  for (std::size_t w = 0; w < workers; ++w) {
    // Room for what a stall holds up: a partner behind its time must not delay the next send.
    const weft::channel<clock_type::time_point> jobs(4096);
    done.go([&, w, jobs] {
      std::mt19937_64 random(w + 1);
      std::exponential_distribution<double> gap(1 / mean_gap_s);
      auto due = begin;
      for (;;) {
        due += std::chrono::duration_cast<clock_type::duration>(
            std::chrono::duration<double>(gap(random)));
        if (due > end) break;
        weft::sleep_until(due);
        const auto now = clock_type::now();
        if (due > counted) timer_delays[w].push_back(microseconds(now - due));
        jobs.send(now);
      }
      jobs.close();
    });
    done.go([&, w, jobs] {
      for (const auto sent : jobs) {
        if (sent > counted) channel_delays[w].push_back(microseconds(clock_type::now() - sent));
        burn(steps);
      }
    });
  }
  done.wait();
  over.store(true, std::memory_order_relaxed);
  hogs.wait();
  say_quantiles("timer", timer_delays);
  say_quantiles("channel", channel_delays);
}

}  // namespace bench
