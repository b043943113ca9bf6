#include "tests/server_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

namespace tertulia::testing {

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// spawn: the server with its standard output and error on these descriptors. It dies with the test.
pid_t spawn(const std::vector<std::string>& arguments, int out, int err) {
  std::vector<char*> argv;
  std::string program = TERTULIAD_PATH;
  argv.push_back(program.data());
  std::vector<std::string> copies = arguments;
  for (auto& a : copies) argv.push_back(a.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

int status_of(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) throw std::runtime_error("waitpid failed");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

server_process::server_process(std::string folder, std::string toml,
                               std::vector<std::string> arguments)
    : folder_(std::move(folder)) {
  std::ofstream(folder_ + "/test.toml")
      << "server.name = 'irc.test'\nserver.network = 'Test'\nlog.level = 'debug'\n"
      << (toml.find("server.motd") == toml.npos ? "server.motd = ''\n" : "") << toml;
  arguments.insert(arguments.begin(), {"--config", folder_ + "/test.toml", "--data",
                                       folder_ + "/data", "--listen", "127.0.0.1:0"});
  start(arguments);
}

server_process::~server_process() {
  if (pid_ > 0) end(SIGKILL);
  // What a sanitizer or the runtime had to say is a failure, whatever the clients saw.
  const std::string text = log();
  for (const char* bad : {"Sanitizer", "runtime error", "panic:", "fatal error:", "assertion"})
    if (text.find(bad) != text.npos)
      ADD_FAILURE() << "the server's log has \"" << bad << "\":\n" << text;
}

void server_process::start(const std::vector<std::string>& arguments) {
  std::array<int, 2> pipe;
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  const int err =
      ::open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = spawn(arguments, pipe[1], err);
  ::close(pipe[1]);
  ::close(err);
  read_port(pipe[0]);
  ::close(pipe[0]);
}

// read_port: from the line "listening on 127.0.0.1:PORT".
void server_process::read_port(int pipe) {
  constexpr std::string_view start = "listening on 127.0.0.1:";
  std::string text;
  std::array<char, 512> buffer;
  for (;;) {
    const std::size_t at = text.find(start);
    if (at != text.npos && text.find('\n', at) != text.npos) {
      port_ =
          static_cast<std::uint16_t>(std::strtoul(text.c_str() + at + start.size(), nullptr, 10));
      return;
    }
    const ssize_t got = ::read(pipe, buffer.data(), buffer.size());
    if (got <= 0) {
      status_of(std::exchange(pid_, -1));
      throw std::runtime_error("the server did not start: " + text + log());
    }
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

int server_process::end(int signal) {
  ::kill(pid_, signal);
  return status_of(std::exchange(pid_, -1));
}

std::string server_process::log() const { return contents(folder_ + "/log"); }

void server_process::wait_for_log(const std::string& text) const {
  wait_until("log line with " + text, [&] { return log().find(text) != std::string::npos; });
}

run_outcome run_server(const std::vector<std::string>& arguments) {
  std::array<int, 2> pipe;
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  const pid_t pid = spawn(arguments, pipe[1], pipe[1]);
  ::close(pipe[1]);
  run_outcome out;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = ::read(pipe[0], buffer.data(), buffer.size())) > 0;)
    out.output.append(buffer.data(), static_cast<std::size_t>(got));
  ::close(pipe[0]);
  out.status = status_of(pid);
  return out;
}

}  // namespace tertulia::testing
