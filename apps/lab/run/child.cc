#include "run/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <stdexcept>

#include "load/text.h"

namespace lab {

namespace {

volatile sig_atomic_t interrupt_seen = 0;

extern "C" void on_interrupt(int) { interrupt_seen = 1; }

cpu_set_t set_of(const std::vector<unsigned>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned cpu : cpus) CPU_SET(cpu, &set);
  return set;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return interrupt_seen != 0; }

child::child(const child_options& options) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  // All that allocates happens before fork.
  std::vector<char*> arguments;
  for (const auto& word : options.command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const cpu_set_t cpus = set_of(options.cpus);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(125);
    if (options.group != nullptr) options.group->join();
    if (!options.cpus.empty() && ::sched_setaffinity(0, sizeof cpus, &cpus) != 0) ::_exit(124);
    if (options.read_errors) {
      const int output = ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      if (output < 0) ::_exit(123);
      ::dup2(output, STDOUT_FILENO);
      ::dup2(pipe[1], STDERR_FILENO);
    } else {
      ::dup2(pipe[1], STDOUT_FILENO);
    }
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::setpgid(pid_, pid_);  // here too: whoever comes first
  ::close(pipe[1]);
  from_ = pipe[0];
}

child::~child() {
  ::kill(-pid_, SIGTERM);
  // SIGTERM lets nobody wait long; what ignores it is killed.
  for (int i = 0; i < 200; ++i) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
      ::kill(-pid_, SIGKILL);
      ::close(from_);
      return;
    }
    ::usleep(5'000);
  }
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(from_);
}

std::optional<std::string> child::line(std::chrono::steady_clock::time_point until) {
  for (;;) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    if (over_ || interrupted()) return std::nullopt;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd wait = {.fd = from_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<long>(0, left.count())));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return std::nullopt;
    std::array<char, 4096> buffer;
    const auto n = ::read(from_, buffer.data(), buffer.size());
    if (n > 0) {
      pending_.append(buffer.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      over_ = true;
    }
  }
}

std::optional<std::vector<unsigned>> parse_cpus(const std::string& text) {
  std::vector<unsigned> cpus;
  for (const auto& item : parse_names(text)) {
    unsigned first = 0;
    const char* const end = item.data() + item.size();
    auto [rest, problem] = std::from_chars(item.data(), end, first);
    unsigned last = first;
    if (problem == std::errc() && rest != end && *rest == '-') {
      const auto second = std::from_chars(rest + 1, end, last);
      rest = second.ptr;
      problem = second.ec;
    }
    if (problem != std::errc() || rest != end || last < first || last >= CPU_SETSIZE)
      return std::nullopt;
    for (unsigned cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  if (cpus.empty()) return std::nullopt;
  return cpus;
}

}  // namespace lab
