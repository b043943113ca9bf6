// weft-lab: the paper's experiment: servers of every paradigm, a load generator, and what measures.

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/runtime.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include "chat/check.h"
#include "chat/goroutine.h"
#include "chat/key.h"
#include "load/load.h"
#include "load/text.h"
#include "run/child.h"
#include "run/figures.h"
#include "run/report.h"
#include "run/request.h"
#include "run/results.h"
#include "run/run.h"
#include "run/target.h"
#include "serve/server.h"

namespace {

using lab::parsed;

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

// raise_descriptor_limit: as many connections as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void pin(const std::string& cpus) {
  if (cpus.empty()) return;
  const auto wanted = lab::parse_cpus(cpus);
  if (!wanted) throw std::runtime_error("'" + cpus + "' is no list of CPUs such as 0,2-3");
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned cpu : *wanted) CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    throw std::runtime_error("CPUs " + cpus + " cannot be used");
}

// or_throw: what a parser made of the command line.
template <class T>
T or_throw(parsed<T> value, std::string_view option) {
  if (!value) throw std::runtime_error(fmt::format("{}: {}", option, value.error()));
  return std::move(*value);
}

// --- serve -------------------------------------------------------------------------------------

struct serve_arguments {
  std::string paradigm;
  std::string variant = "fair";
  std::string network = "tcp";
  lab::serve_options options;
};

[[noreturn]] void exec_go_server(const serve_arguments& a) {
  const std::string path = lab::go_server(own_path());
  if (path.empty())
    throw std::runtime_error("weft-lab-go is missing: there was no Go compiler to build it with");
  std::vector<std::string> words = {
      path,        "--host",  a.options.host, "--port", std::to_string(a.options.port),
      "--variant", a.variant, "--network",    a.network};
  if (a.options.echo) words.emplace_back("--echo");
  std::vector<char*> arguments;
  for (auto& w : words) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  ::execv(path.c_str(), arguments.data());
  throw std::runtime_error(path + " cannot be started");
}

int serve(serve_arguments& a) {
  const auto variant = lab::parse_variant(a.variant);
  if (!variant) throw std::runtime_error("--variant is fair or as-published");
  const auto network = lab::parse_family(a.network);
  if (!network) throw std::runtime_error("--network is tcp, tcp4 or tcp6");
  a.options.network = *network;
  raise_descriptor_limit();
  if (a.paradigm == "go") exec_go_server(a);
  const auto* paradigm = lab::find_paradigm(a.paradigm);
  if (paradigm == nullptr)
    throw std::runtime_error("there is no paradigm '" + a.paradigm + "' (see weft-lab list)");
  a.options.how = *variant;
  paradigm->serve(a.options);
  return 0;
}

void add_serve(CLI::App& app, serve_arguments& a) {
  app.add_option("paradigm", a.paradigm, "One of those that weft-lab list shows")->required();
  app.add_option("--host", a.options.host, "Address to listen on")->capture_default_str();
  app.add_option("--network", a.network,
                 "tcp: on [::] both IPv6 and IPv4; tcp4, tcp6: one of them alone")
      ->capture_default_str();
  app.add_option("--port", a.options.port, "Port; 0: any that is free")->capture_default_str();
  app.add_option("--variant", a.variant, "fair or as-published")->capture_default_str();
  app.add_flag("--echo", a.options.echo, "Send back what is read instead of printing it");
  app.add_option("--workers", a.options.workers,
                 "Processes of prefork, threads of pool (0: 64), loops of epoll-per-core (0: CPUs)")
      ->capture_default_str();
}

// --- load --------------------------------------------------------------------------------------

struct load_arguments {
  std::string address;
  std::string message = "message\\n";
  std::string bandwidth;
  std::string rate;
  std::string connect_rate = "1000";
  std::string time = "10s";
  std::string combine = "10ms";
  std::string cpus;
  unsigned connections = 1;
  bool echo = false;
  unsigned slow = 0;
  bool storm = false;
  bool json = false;
};

void add_load(CLI::App& app, load_arguments& a) {
  app.add_option("address", a.address, "Server: HOST:PORT")->required();
  app.add_option("-c,--connections", a.connections, "How many")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--connect-rate", a.connect_rate, "Connections opened a second")
      ->capture_default_str();
  auto* bandwidth =
      app.add_option("--bandwidth", a.bandwidth, "Of each connection: 1Mbps, 64kbps, 125kBps");
  app.add_option("--rate", a.rate,
                 "Messages a second of each connection; with neither they stay silent")
      ->excludes(bandwidth);
  app.add_option(
         "-m,--message", a.message,
         "Its text: \\n \\r \\t \\\\ \\0 \\xHH, and the counters {connection} and {message}")
      ->capture_default_str();
  app.add_option("-T,--time", a.time, "How long to send: 60s, 500ms, 2m")->capture_default_str();
  app.add_option("--combine", a.combine,
                 "Messages due within this time leave in one write; 0: each alone")
      ->capture_default_str();
  app.add_flag("--echo", a.echo,
               "The server sends back what it gets: check every byte, measure latency");
  app.add_option("--slow", a.slow,
                 "With --echo: every how manieth connection is slow, and not measured; 0: none")
      ->capture_default_str();
  app.add_flag("--storm", a.storm,
               "Open --connect-rate connections a second, each for one message and its echo");
  app.add_option("--cpus", a.cpus, "Run on these CPUs alone: 0,2-3");
  app.add_flag("--json", a.json, "Print one line when connected, and the report as one of JSON");
}

lab::percentiles summary(const lab::histogram& h) {
  const auto us = [](std::int64_t ns) { return static_cast<double>(ns) / 1000; };
  return {us(h.percentile(50)), us(h.percentile(90)), us(h.percentile(99)), us(h.percentile(99.9)),
          us(h.max())};
}

lab::load_result result_of(const lab::load_report& r) {
  lab::load_result out;
  out.connected = r.connected;
  out.failed = r.failed;
  out.first_failure = r.first_failure;
  out.messages_due = r.messages_due;
  out.messages_sent = r.messages_sent;
  out.bytes_sent = r.bytes_sent;
  out.bytes_received = r.bytes_received;
  out.wrong_bytes = r.wrong_bytes;
  out.operations = r.latency.count();
  out.seconds = r.seconds;
  out.cpu_seconds = r.cpu_seconds;
  out.blocked_seconds = r.blocked_seconds;
  out.late_p99_us = static_cast<double>(r.late.percentile(99)) / 1000;
  out.limit = lab::limit_name(r.limit);
  out.connect = summary(r.connect);
  out.latency = summary(r.latency);
  return out;
}

void print(const char* what, const lab::percentiles& p) {
  fmt::print("{:<10} p50 {:.0f} us, p90 {:.0f}, p99 {:.0f}, p99.9 {:.0f}, max {:.0f}\n", what,
             p.p50_us, p.p90_us, p.p99_us, p.p999_us, p.max_us);
}

void print(const lab::load_result& r, bool echo) {
  fmt::print("connected  {} ({} failed{}{})\n", r.connected, r.failed,
             r.first_failure.empty() ? "" : ": ", r.first_failure);
  print("connect", r.connect);
  if (r.messages_due == 0) return;
  fmt::print("sent       {} of {} messages in {:.2f} s, {:.3f} Mbit/s\n", r.messages_sent,
             r.messages_due, r.seconds, static_cast<double>(r.bytes_sent) * 8e-6 / r.seconds);
  if (echo) {
    fmt::print("received   {} of {} bytes, {} wrong\n", r.bytes_received, r.bytes_sent,
               r.wrong_bytes);
    print("latency", r.latency);
  }
  fmt::print("generator  {:.1f}% of a CPU, writes up to {:.0f} us late (p99); limit: {}\n",
             r.cpu_seconds / r.seconds * 100, r.late_p99_us, r.limit);
}

bool announce_connected = false;

void say_connected() {
  if (!announce_connected) return;
  std::puts("connected");
  std::fflush(stdout);
}

int load(const load_arguments& a) {
  lab::load_options options;
  options.address = a.address;
  options.connections = a.connections;
  options.echo = a.echo || a.storm;
  options.storm = a.storm;
  options.slow = a.slow;
  options.text = or_throw(lab::message::parse(a.message), "--message");
  options.length = or_throw(lab::parse_duration(a.time), "--time");
  options.combine = or_throw(lab::parse_duration(a.combine), "--combine");
  options.connect_rate = or_throw(lab::parse_amount(a.connect_rate), "--connect-rate");
  if (options.slow != 0 && !options.echo) throw std::runtime_error("--slow needs --echo");
  if (options.connect_rate <= 0) throw std::runtime_error("--connect-rate must be more than 0");
  if (!a.rate.empty()) options.messages_per_second = or_throw(lab::parse_amount(a.rate), "--rate");
  if (!a.bandwidth.empty()) {
    options.messages_per_second = or_throw(lab::parse_bandwidth(a.bandwidth), "--bandwidth") / 8 /
                                  static_cast<double>(options.text.size());
  }
  pin(a.cpus);
  raise_descriptor_limit();
  ::signal(SIGPIPE, SIG_IGN);
  announce_connected = a.json;
  weft::main([&] {
    const auto report =
        a.storm ? lab::run_storm(options, say_connected) : lab::run_load(options, say_connected);
    const auto result = result_of(report);
    if (a.json) {
      std::puts(lab::to_text(result).c_str());
    } else {
      print(result, options.echo);
    }
    const bool whole = !options.echo || result.bytes_received == result.bytes_sent;
    return result.failed == 0 && result.wrong_bytes == 0 && whole ? 0 : 1;
  });
}

// --- chat --------------------------------------------------------------------------------------

struct chat_arguments {
  lab::chat::goroutine_options serving;
  lab::chat::check_options checking;
  std::string key_path;
  std::string network = "tcp";
  std::string rate = "1000";
  std::string time = "10s";
  bool json = false;
};

void add_chat(CLI::App& app, chat_arguments& a) {
  app.require_subcommand(1);
  auto* serve = app.add_subcommand(
      "serve", "The paper's chat with goroutines (weft-chat server: with processes)");
  serve->add_option("--key", a.key_path, "File with the key (weft-chat key makes one)")->required();
  serve->add_option("--file", a.serving.file, "File that the chat is in")->required();
  serve->add_option("--host", a.serving.listen.host, "Address to listen on")->capture_default_str();
  serve->add_option("--port", a.serving.listen.port, "Port; 0: any that is free")
      ->capture_default_str();
  serve->add_option("--network", a.network, "tcp, tcp4 or tcp6")->capture_default_str();
  auto* check = app.add_subcommand("check", "Is every line delivered, once, in one order for all?");
  check->add_option("address", a.checking.address, "Server: HOST:PORT")->required();
  check->add_option("--key", a.key_path, "File with the key")->required();
  check->add_option("--members", a.checking.members, "How many speak and listen")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  check->add_option("--rate", a.rate, "Messages a second of all together")->capture_default_str();
  check->add_option("-T,--time", a.time, "How long to speak")->capture_default_str();
  check->add_flag("--until-found", a.checking.until_found, "Stop at the first fault");
  check->add_flag("--json", a.json,
                  "Print one line when all are in, and the report as weft-lab load");
}

lab::load_result result_of(const lab::chat::check_report& r,
                           const lab::chat::check_options& options) {
  lab::load_result out;
  out.connected = options.members;
  out.messages_due = static_cast<unsigned long long>(options.messages_per_second * r.seconds);
  out.messages_sent = r.sent;
  out.operations = r.found.deliveries;
  out.failed =
      static_cast<unsigned>(r.found.lost + r.found.doubled + r.found.reordered + r.found.disagreed);
  if (out.failed != 0) out.first_failure = "lines were not delivered once, in one order";
  out.seconds = r.seconds;
  out.limit = "none";
  out.latency = summary(r.latency);
  return out;
}

int chat(CLI::App& app, chat_arguments& a) {
  auto key = or_throw(lab::chat::read_key(a.key_path), "--key");
  raise_descriptor_limit();
  if (app.got_subcommand("serve")) {
    const auto network = lab::parse_family(a.network);
    if (!network) throw std::runtime_error("--network is tcp, tcp4 or tcp6");
    a.serving.listen.network = *network;
    a.serving.key = std::move(key);
    lab::chat::serve_goroutines(a.serving);
    return 1;
  }
  a.checking.key = std::move(key);
  a.checking.messages_per_second = or_throw(lab::parse_amount(a.rate), "--rate");
  a.checking.length = or_throw(lab::parse_duration(a.time), "--time");
  if (a.checking.messages_per_second <= 0) throw std::runtime_error("--rate must be more than 0");
  announce_connected = a.json;
  weft::main([&] {
    const auto r = lab::chat::run_check(a.checking, say_connected);
    if (!r.failure.empty()) {
      fmt::print(stderr, "weft-lab: {}\n", r.failure);
      return 2;
    }
    const auto& v = r.found;
    if (a.json) {
      std::puts(lab::to_text(result_of(r, a.checking)).c_str());
      return v.right() ? 0 : 1;
    }
    fmt::print("sent       {} messages, {:.0f} a second\n", r.sent,
               static_cast<double>(r.sent) / r.seconds);
    fmt::print("delivered  {} of {}: {} lost, {} doubled, {} reordered, {} in another order\n",
               v.deliveries, r.sent * a.checking.members, v.lost, v.doubled, v.reordered,
               v.disagreed);
    print("latency", summary(r.latency));
    return v.right() ? 0 : 1;
  });
}

// --- run ---------------------------------------------------------------------------------------

struct run_arguments {
  lab::run_options options;
  std::string out;
  std::string paradigms;
  std::string variants;
  std::string workloads;
  std::string connections;
  std::string time;
  bool quick = false;
  bool full = false;
};

void add_run(CLI::App& app, run_arguments& a) {
  auto* quick = app.add_flag("--quick", a.quick, "Six paradigms, few points: two minutes");
  app.add_flag("--full", a.full, "60 seconds a point, as the paper")->excludes(quick);
  app.add_option("--out", a.out,
                 "Folder for the results (lab-results, -quick, -full); what is there is kept");
  app.add_option("--paradigms", a.paradigms, "Names with commas between them; default: all");
  app.add_option("--variants", a.variants, "fair, as-published, or both");
  app.add_option("--workloads", a.workloads, "Of paper, echo, slow, idle, storm, chat");
  app.add_option("-c,--connections", a.connections,
                 "For each workload: 1,2,4 or 1..64 (doubling); a second for storm");
  app.add_option("-T,--time", a.time, "Of each point (10s)");
  app.add_option("--repeats", a.options.repeats, "How often everything is measured")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  auto* foreign = app.add_option("--server", a.options.server,
                                 "Shell command of another server, measured as paradigm server");
  app.add_option("--server-address", a.options.server_address,
                 "Where that listens, if it does not say: listening on HOST:PORT")
      ->needs(foreign);
  app.add_option("--server-host", a.options.server_host,
                 "HOST[:PORT] of a weft-lab agent, on whose machine the servers run")
      ->excludes(foreign);
  app.add_option("--server-cpus", a.options.server_cpus, "Pin the server: 0,2-3");
  app.add_option("--load-cpus", a.options.load_cpus, "Pin the load generator");
  app.add_option("--sampler", a.options.sampler,
                 "cgroup, proc, auto, or top18: beside the right figure what top's 18 rows show")
      ->check(CLI::IsMember({"auto", "cgroup", "proc", "top18"}))
      ->capture_default_str();
}

void check_names(const std::vector<std::string>& names, const std::vector<std::string>& known,
                 std::string_view option) {
  for (const auto& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw std::runtime_error(fmt::format("{}: there is no '{}'", option, name));
  }
  if (names.empty()) throw std::runtime_error(fmt::format("{}: names nothing", option));
}

// presets: what --quick and --full stand for; the options after them override.
void presets(run_arguments& a) {
  auto& o = a.options;
  o.directory = "lab-results";
  o.paradigms = lab::all_paradigms();
  if (a.quick) {
    o.directory += "-quick";
    o.paradigms = {"process", "thread", "poll", "epoll", "goroutine", "go"};
    o.variants = {"fair"};
    o.workloads = {"paper", "echo"};
    o.connections = {1, 16, 64};
    o.seconds = 3.5;
  } else if (a.full) {
    o.directory += "-full";
    o.connections = {1, 2, 4, 8, 16, 32, 64, 256, 1024, 4096};
    o.echo_connections = {64, 1024};
    o.idle_connections = {64, 1024};
    o.seconds = 60;
  }
}

int run(run_arguments& a) {
  presets(a);
  auto& o = a.options;
  o.program = own_path();
  if (!a.out.empty()) o.directory = a.out;
  if (!o.server.empty()) {
    o.paradigms = {"server"};
    o.variants = {"fair"};
  }
  if (!a.paradigms.empty()) {
    const auto named = lab::parse_names(a.paradigms);
    if (o.server.empty()) o.paradigms.clear();
    o.paradigms.insert(o.paradigms.end(), named.begin(), named.end());
  }
  if (!a.variants.empty()) o.variants = lab::parse_names(a.variants);
  if (!a.workloads.empty()) o.workloads = lab::parse_names(a.workloads);
  auto known = lab::all_paradigms();
  if (!o.server.empty()) known.emplace_back("server");
  check_names(o.paradigms, known, "--paradigms");
  check_names(o.variants, {"fair", "as-published"}, "--variants");
  check_names(o.workloads, lab::workload_names(), "--workloads");
  if (!a.connections.empty()) {
    o.connections = or_throw(lab::parse_numbers(a.connections), "--connections");
    o.echo_connections = o.idle_connections = o.connections;
    o.storm_rates = o.chat_members = o.connections;
  }
  if (!a.time.empty())
    o.seconds =
        std::chrono::duration<double>(or_throw(lab::parse_duration(a.time), "--time")).count();
  if (o.seconds < 0.5) throw std::runtime_error("--time: a sample takes half a second");
  for (const auto& [option, cpus] :
       {std::pair{"--server-cpus", o.server_cpus}, std::pair{"--load-cpus", o.load_cpus}}) {
    if (!cpus.empty() && !lab::parse_cpus(cpus))
      throw std::runtime_error(
          fmt::format("{}: '{}' is no list of CPUs such as 0,2-3", option, cpus));
  }
  raise_descriptor_limit();
  return lab::run(o);
}

// --- agent -------------------------------------------------------------------------------------

struct agent_arguments {
  std::string host = "127.0.0.1";
  std::uint16_t port = lab::agent_port;
  std::string cpus;
};

void add_agent(CLI::App& app, agent_arguments& a) {
  app.add_option("--host", a.host, "Address to listen on; whoever reaches it can start servers")
      ->capture_default_str();
  app.add_option("--port", a.port, "Port; 0: any that is free")->capture_default_str();
  app.add_option("--server-cpus", a.cpus, "Pin the servers: 0,2-3");
}

int run_agent(const agent_arguments& a) {
  raise_descriptor_limit();
  ::signal(SIGPIPE, SIG_IGN);
  lab::target_options options;
  options.program = own_path();
  options.groups = lab::cgroup::make().has_value();
  if (!a.cpus.empty()) {
    const auto cpus = lab::parse_cpus(a.cpus);
    if (!cpus) throw std::runtime_error("'" + a.cpus + "' is no list of CPUs such as 0,2-3");
    options.cpus = *cpus;
  }
  lab::run_agent(options, a.host, a.port);
  return 0;
}

int list() {
  for (const auto& p : lab::paradigms()) {
    const std::string missing = p.missing == nullptr ? std::string() : p.missing();
    fmt::print("{:<16}{}{}{}\n", p.name, p.summary, missing.empty() ? "" : "; missing: ", missing);
  }
  const bool there = !lab::go_server(own_path()).empty();
  fmt::print("{:<16}a goroutine per client (Go){}\n", "go",
             there ? "" : "; missing: there was no Go compiler to build it with");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The paradigm lab: servers that handle many connections, measured side by side");
  app.require_subcommand(1);
  serve_arguments serving;
  load_arguments loading;
  run_arguments running;
  std::vector<std::string> compared;
  std::string compared_figure = "cpu";
  std::string reported;
  auto* serve_command = app.add_subcommand("serve", "Serve in the manner of one paradigm");
  add_serve(*serve_command, serving);
  auto* load_command = app.add_subcommand("load", "Generate load");
  add_load(*load_command, loading);
  auto* run_command = app.add_subcommand("run", "Measure the matrix and write a report");
  add_run(*run_command, running);
  auto* compare_command = app.add_subcommand("compare", "Ratios between two results.json");
  compare_command->add_option("files", compared, "A.json B.json")->required()->expected(2);
  compare_command->add_option("--figure", compared_figure, "What is compared")
      ->check(CLI::IsMember(lab::compared_figures()))
      ->capture_default_str();
  auto* report_command = app.add_subcommand("report", "The report of a results.json, as HTML");
  report_command->add_option("file", reported, "results.json")->required();
  chat_arguments chatting;
  auto* chat_command = app.add_subcommand("chat", "The paper's chat, and a checker of chats");
  add_chat(*chat_command, chatting);
  agent_arguments agent;
  auto* agent_command =
      app.add_subcommand("agent", "Start and measure servers for lab runs on other machines");
  add_agent(*agent_command, agent);
  auto* list_command = app.add_subcommand("list", "The paradigms there are");
  CLI11_PARSE(app, argc, argv);
  try {
    if (*serve_command) return serve(serving);
    if (*load_command) return load(loading);
    if (*run_command) return run(running);
    if (*chat_command) return chat(*chat_command, chatting);
    if (*agent_command) return run_agent(agent);
    if (*list_command) return list();
    if (*report_command) {
      fmt::print("{}", lab::report_html(lab::load_results(reported)));
    } else if (*compare_command) {
      fmt::print("{}", lab::compare_text(lab::load_results(compared[0]),
                                         lab::load_results(compared[1]), compared_figure));
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "weft-lab: {}\n", e.what());
    return 1;
  }
  return 0;
}
