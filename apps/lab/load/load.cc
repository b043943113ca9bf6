#include "load/load.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/net.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>
#include <vector>

#include "load/schedule.h"

namespace lab {

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr std::size_t write_max = 64 * 1024;
// Once all should be sent, how long a server that takes no more is waited for, and what it owes.
constexpr auto drain_time = 5s;

// What slow connections do.
constexpr auto byte_pause = 50ms;
constexpr auto read_pause = 100ms;

// hold_little: buffers so small that a slow connection is soon stuck, instead of first passing the
// megabytes that the kernel would hold for it.
weft::result<void> hold_little(int fd) {
  const int bytes = 16 * 1024;
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) != 0 ||
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0)
    return std::unexpected(
        weft::error(std::error_code(errno, std::system_category()), "setsockopt"));
  return {};
}

class generator {
 public:
  explicit generator(const load_options& options) : options_(options) {}

  load_report run(void (*connected)()) {
    connect_all();
    connected();
    const double cpu_before = own_cpu_seconds();
    // A moment for every goroutine to be there when its first message is due.
    start_ = clock_type::now() + 20ms;
    if (options_.messages_per_second > 0) {
      exchange();
    } else {
      static_cast<void>(weft::sleep_for(options_.length));
      report_.seconds = std::chrono::duration<double>(options_.length).count();
    }
    report_.cpu_seconds = own_cpu_seconds() - cpu_before;
    report_.cpus = usable_cpus();
    judge(report_, std::max<nanoseconds>(options_.combine, 10ms));
    return std::move(report_);
  }

 private:
  enum class pace : unsigned char { steady, slow_sender, slow_reader };

  struct client {
    std::uint64_t number;
    weft::net::conn conn;
    pace how = pace::steady;
  };

  [[nodiscard]] pace pace_of(std::uint64_t number) const {
    if (options_.slow == 0 || number % options_.slow != 0) return pace::steady;
    return number / options_.slow % 2 == 0 ? pace::slow_reader : pace::slow_sender;
  }

  void fail(const std::string& why) {
    const std::scoped_lock lock(mutex_);
    ++report_.failed;
    if (report_.first_failure.empty()) report_.first_failure = why;
  }

  void connect_all() {
    const auto begin = clock_type::now();
    weft::wait_group all;
    for (unsigned i = 0; i < options_.connections; ++i) {
      const double offset_s = static_cast<double>(i) / options_.connect_rate;
      const auto due =
          begin + std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(offset_s));
      static_cast<void>(weft::sleep_until(due));
      all.go([this, i, due] { connect(i, due); });
    }
    static_cast<void>(all.wait());
    report_.connected = static_cast<unsigned>(clients_.size());
  }

  void connect(std::uint64_t number, clock_type::time_point due) {
    weft::net::dial_options how;
    if (pace_of(number) != pace::steady) how.control = hold_little;
    auto conn = weft::net::dial("tcp", options_.address, how, 10s);
    const auto took = clock_type::now() - due;
    if (!conn) {
      fail(conn.error().message());
      return;
    }
    const std::scoped_lock lock(mutex_);
    report_.connect.record(nanoseconds(took).count());
    clients_.push_back(std::make_unique<client>(number, std::move(*conn), pace_of(number)));
  }

  void exchange() {
    weft::wait_group all;
    const schedule plan(options_.messages_per_second, options_.length, options_.combine);
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      auto& c = *clients_[i];
      c.conn.set_write_deadline(start_ + options_.length + drain_time);
      // Spread over a period, so that the connections do not all speak at the same instant.
      const auto start = start_ + plan.period() * static_cast<std::int64_t>(i) /
                                      static_cast<std::int64_t>(clients_.size());
      if (c.how == pace::steady) {
        all.go([this, &c, plan, start] { send(c, plan, start); });
      } else {
        all.go([this, &c] { send_slowly(c); });
      }
      all.go([this, &c, plan, start] { receive(c, plan, start); });
    }
    static_cast<void>(all.wait());
  }

  // send_slowly: either a byte at a time, or all that the server takes.
  void send_slowly(client& c) {
    const auto end = start_ + options_.length;
    std::vector<char> buffer(c.how == pace::slow_sender ? 1 : write_max);
    std::uint64_t sent = 0;
    // The slow reader's last write may have to wait until the server has given up its answers.
    c.conn.set_write_deadline(end);
    while (clock_type::now() < end) {
      options_.text.write(c.number, sent, buffer);
      const auto wrote = c.conn.write(buffer);
      sent += wrote ? *wrote : wrote.error().written();
      if (!wrote) break;
      if (c.how == pace::slow_sender) static_cast<void>(weft::sleep_for(byte_pause));
    }
    static_cast<void>(c.conn.close_write());
    c.conn.set_read_deadline(clock_type::now() + drain_time);
    const std::scoped_lock lock(mutex_);
    report_.bytes_sent += sent;
  }

  void send(client& c, const schedule& plan, clock_type::time_point start) {
    const std::size_t size = options_.text.size();
    const std::uint64_t most = std::max<std::uint64_t>(1, write_max / size);
    std::vector<char> buffer;
    histogram late;
    std::uint64_t sent = 0;
    nanoseconds blocked{0};
    std::string failure;
    auto now = clock_type::now();
    while (sent < plan.total()) {
      const auto due = start + plan.due(sent);
      if (now < due) {
        static_cast<void>(weft::sleep_until(due));
        now = clock_type::now();
        late.record(nanoseconds(now - due).count());
      }
      // Asked to send more than it can, it stops when the time is over.
      if (now > start + options_.length + plan.period()) break;
      const std::uint64_t n = std::min(plan.due_by(now - start) - sent, most);
      if (n == 0) {  // rounding: the clock is a nanosecond short of the schedule
        now = clock_type::now();
        continue;
      }
      buffer.resize(n * size);
      options_.text.write(c.number, sent * size, buffer);
      const auto wrote = c.conn.write(buffer);
      const auto after = clock_type::now();
      blocked += after - now;
      now = after;
      if (!wrote) {
        failure = wrote.error().message();
        break;
      }
      sent += n;
    }
    static_cast<void>(c.conn.close_write());
    c.conn.set_read_deadline(clock_type::now() + drain_time);
    if (!failure.empty()) fail(failure);
    const std::scoped_lock lock(mutex_);
    report_.late.add(late);
    report_.messages_due += plan.total();
    report_.bytes_sent += sent * size;
    report_.messages_sent += sent;
    report_.blocked_seconds += std::chrono::duration<double>(blocked).count();
    report_.seconds =
        std::max(report_.seconds, std::chrono::duration<double>(now - start_).count());
  }

  void receive(client& c, const schedule& plan, clock_type::time_point start) {
    const std::size_t size = options_.text.size();
    std::vector<char> buffer(16 * 1024);
    std::uint64_t received = 0;
    std::uint64_t wrong = 0;
    for (;;) {
      const auto n = c.conn.read(buffer);
      if (!n) {
        if (!n.error().eof()) fail(n.error().message());
        break;
      }
      const auto now = clock_type::now();
      const std::span<const char> bytes(buffer.data(), *n);
      if (!options_.echo || !options_.text.matches(c.number, received, bytes)) wrong += *n;
      const std::uint64_t first = received / size;
      received += *n;
      if (c.how == pace::slow_reader && now < start_ + options_.length)
        static_cast<void>(weft::sleep_for(read_pause));
      if (c.how != pace::steady) continue;
      const std::scoped_lock lock(mutex_);
      for (std::uint64_t m = first; m < received / size; ++m)
        report_.latency.record(nanoseconds(now - start - plan.due(m)).count());
    }
    const std::scoped_lock lock(mutex_);
    report_.bytes_received += received;
    report_.wrong_bytes += wrong;
  }

  const load_options& options_;
  clock_type::time_point start_;
  weft::mutex mutex_;  // guards what follows while connections run
  std::vector<std::unique_ptr<client>> clients_;
  load_report report_;
};

}  // namespace

double own_cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

unsigned usable_cpus() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

load_report run_load(const load_options& options, void (*connected)()) {
  return generator(options).run(connected);
}

}  // namespace lab
