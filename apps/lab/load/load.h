#pragma once

// load: the load generator, a goroutine or two per connection.

#include <chrono>
#include <cstdint>
#include <string>

#include "load/message.h"
#include "measure/histogram.h"

namespace lab {

struct load_options {
  std::string address;  // "host:port"
  unsigned connections = 1;
  double connect_rate = 1000;      // connections a second
  double messages_per_second = 0;  // per connection; 0: they are opened and stay silent
  message text;
  std::chrono::nanoseconds length = std::chrono::seconds(10);
  std::chrono::nanoseconds combine{0};  // what falls into this leaves in one write
  bool echo = false;                    // whether the server answers with what it is sent
  // slow: with echo, every how manieth connection is slow; 0: none. In turns one sends a byte at a
  // time, and one sends as much as it can and hardly reads. They are not measured: the others are.
  unsigned slow = 0;
  // storm: connect_rate connections a second for `length`, each of which sends one message, waits
  // for it to come back, and closes. With echo; `connections` and messages_per_second mean nothing.
  bool storm = false;
};

// limit_reason: what kept the load below what was asked for.
enum class limit_reason : unsigned char { none, server, generator };

struct load_report {
  unsigned connected = 0;
  unsigned failed = 0;  // connections that could not be opened, or that ended too early
  std::string first_failure;
  std::uint64_t messages_due = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t wrong_bytes = 0;  // bytes in reads that are not what was sent
  double seconds = 0;             // from the first message due to the last one sent
  double cpu_seconds = 0;         // the generator's own, over that time
  unsigned cpus = 0;              // that the generator may use
  double blocked_seconds = 0;     // summed over connections: inside write
  histogram connect;              // nanoseconds to open a connection
  histogram late;     // of each write: when it began after it was due, if nothing kept it waiting
  histogram latency;  // echo: of each message, from when it was due until its last byte was back
  limit_reason limit = limit_reason::none;
};

std::string_view limit_name(limit_reason r);

// judge: fills in `limit` from the rest. Less than 99% sent: the server was the limit if the time
// that was lost was spent inside write; else the generator. The generator is too, whatever it sent,
// if one write in a hundred began more than `tolerable` late or it used 95% of its CPUs: then its
// latencies measure itself.
void judge(load_report& report, std::chrono::nanoseconds tolerable);

// run_storm: a storm. In a goroutine. `connected` is called at once.
load_report run_storm(const load_options& options, void (*connected)());

// own_cpu_seconds: this process's CPU time. usable_cpus: how many it may run on.
double own_cpu_seconds();
unsigned usable_cpus();

// run_load: opens the connections, calls `connected`, sends, and reports. In a goroutine.
load_report run_load(const load_options& options, void (*connected)());

}  // namespace lab
