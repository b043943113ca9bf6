#include "chat/check.h"

#include <weft/buffered.h>
#include <weft/go.h>
#include <weft/net.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace lab::chat {

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr auto silence = 2s;  // after which what is missing will not come
constexpr auto entering = 10s;
constexpr std::string_view hello = "hello ";

// member: its sending goroutine uses the upper fields, its receiving one the lower.
struct member {
  explicit member(weft::net::conn c) : conn(std::move(c)), lines(conn) {}

  weft::net::conn conn;
  std::uint32_t sent = 0;

  weft::line_reader<weft::net::conn> lines;
  std::vector<delivery> received;
  histogram latency;
};

class checker {
 public:
  explicit checker(const check_options& o)
      : options_(o),
        run_(static_cast<std::uint64_t>(clock_type::now().time_since_epoch().count())),
        interval_ns_(1e9 * o.members / o.messages_per_second) {}

  check_report run(void (*entered)()) {
    check_report report;
    for (unsigned i = 0; i < options_.members && report.failure.empty(); ++i)
      report.failure = enter(i);
    if (!report.failure.empty()) return report;
    entered();
    start_ = clock_type::now() + 20ms;
    weft::wait_group sending;
    weft::wait_group receiving;
    for (std::uint32_t i = 0; i < members_.size(); ++i) {
      sending.go([this, i] { send(i); });
      receiving.go([this, i] { receive(*members_[i]); });
    }
    static_cast<void>(sending.wait());
    report.seconds = std::chrono::duration<double>(clock_type::now() - start_).count();
    for (const auto& m : members_) report.sent += m->sent;
    all_sent_.store(report.sent);
    static_cast<void>(receiving.wait());
    std::vector<std::uint32_t> sent;
    std::vector<std::vector<delivery>> received;
    for (const auto& m : members_) {
      sent.push_back(m->sent);
      received.push_back(std::move(m->received));
      report.latency.add(m->latency);
    }
    report.found = judge_deliveries(sent, received);
    return report;
  }

 private:
  // enter: a member is there when it has read a line of its own; says it again if that is lost. Why
  // not, or nothing.
  std::string enter(unsigned i) {
    auto conn = weft::net::dial("tcp", options_.address, entering);
    if (!conn) return conn.error().message();
    auto m = std::make_unique<member>(std::move(*conn));
    const std::string mine = std::string(hello) + std::to_string(run_) + ' ' + std::to_string(i);
    if (!m->conn.write(options_.key)) return "the key could not be sent";
    const auto until = clock_type::now() + entering;
    while (clock_type::now() < until) {
      if (const auto said = m->conn.write(mine + "\n"); !said) return said.error().message();
      const weft::limit soon(500ms);
      for (;;) {
        const auto line = m->lines.next(soon);
        if (line && *line == mine) {
          members_.push_back(std::move(m));
          return {};
        }
        if (!line && line.error() != weft::errc::timeout)
          return "a member is turned away: " + line.error().message();
        if (!line) break;
      }
    }
    return "a member does not hear itself";
  }

  [[nodiscard]] clock_type::time_point due(const delivery& d) const {
    // Spread, so that they do not all speak at once.
    const double share = static_cast<double>(d.sender) / options_.members;
    return start_ + nanoseconds(static_cast<std::int64_t>((d.number + share) * interval_ns_));
  }

  void send(std::uint32_t sender) {
    auto& m = *members_[sender];
    const auto end = start_ + options_.length;
    std::string text;
    while (!stop_.load()) {
      const delivery next{sender, m.sent};
      const auto when = due(next);
      if (when >= end || clock_type::now() > end) return;
      static_cast<void>(weft::sleep_until(when));
      text = delivery_text(run_, next) + "\n";
      if (!m.conn.write(text)) return;
      ++m.sent;
    }
  }

  void receive(member& m) {
    gap_watch watch(members_.size());
    for (;;) {
      const auto line = m.lines.next(silence);
      if (!line) {
        if (line.error() != weft::errc::timeout) return;
        if (all_sent_.load() != unknown) return;
        continue;
      }
      const auto d = parse_delivery(*line, run_, members_.size());
      if (!d) continue;
      m.latency.record(nanoseconds(clock_type::now() - due(*d)).count());
      m.received.push_back(*d);
      if (!watch.next(*d) && options_.until_found) stop_.store(true);
      if (m.received.size() >= all_sent_.load()) return;
    }
  }

  static constexpr auto unknown = ~std::uint64_t{0};

  const check_options& options_;
  std::uint64_t run_;
  double interval_ns_;  // between lines of one member
  clock_type::time_point start_;
  std::vector<std::unique_ptr<member>> members_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> all_sent_{unknown};
};

}  // namespace

check_report run_check(const check_options& options, void (*entered)()) {
  return checker(options).run(entered);
}

}  // namespace lab::chat
