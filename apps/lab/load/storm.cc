#include <weft/go.h>
#include <weft/io.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "load/load.h"
#include "load/schedule.h"

namespace lab {

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr auto patience = 10s;
constexpr auto tolerable = 10ms;

class storm {
 public:
  explicit storm(const load_options& options) : options_(options) {}

  load_report run() {
    const double cpu_before = own_cpu_seconds();
    const schedule plan(options_.connect_rate, options_.length, 0ns);
    const auto start = clock_type::now();
    weft::wait_group all;
    for (std::uint64_t i = 0; i < plan.total(); ++i) {
      const auto due = start + plan.due(i);
      static_cast<void>(weft::sleep_until(due));
      const auto now = clock_type::now();
      // A generator that cannot keep up stops when the time is over, and its report says so.
      if (now > start + options_.length + tolerable) break;
      report_.late.record(nanoseconds(now - due).count());
      all.go([this, i, due] { visit(i, due); });
    }
    static_cast<void>(all.wait());
    report_.messages_due = plan.total();
    report_.seconds = std::chrono::duration<double>(clock_type::now() - start).count();
    report_.cpu_seconds = own_cpu_seconds() - cpu_before;
    report_.cpus = usable_cpus();
    judge(report_, tolerable);
    return std::move(report_);
  }

 private:
  void visit(std::uint64_t number, clock_type::time_point due) {
    const weft::limit until(due + patience);
    auto conn = weft::net::dial("tcp", options_.address, until);
    const auto connected = clock_type::now();
    if (!conn) return fail(conn.error().message());
    std::vector<char> text(options_.text.size());
    options_.text.write(number, 0, text);
    if (const auto wrote = conn->write(text, until); !wrote) return fail(wrote.error().message());
    const auto got = weft::read_exactly(*conn, text, until);
    const auto done = clock_type::now();
    const std::scoped_lock lock(mutex_);
    ++report_.connected;
    ++report_.messages_sent;
    report_.bytes_sent += text.size();
    report_.connect.record(nanoseconds(connected - due).count());
    if (!got) return;
    report_.bytes_received += text.size();
    if (!options_.text.matches(number, 0, text)) report_.wrong_bytes += text.size();
    report_.latency.record(nanoseconds(done - due).count());
  }

  void fail(const std::string& why) {
    const std::scoped_lock lock(mutex_);
    ++report_.failed;
    if (report_.first_failure.empty()) report_.first_failure = why;
  }

  const load_options& options_;
  weft::mutex mutex_;  // guards the report while visits are under way
  load_report report_;
};

}  // namespace

load_report run_storm(const load_options& options, void (*connected)()) {
  connected();
  return storm(options).run();
}

}  // namespace lab
