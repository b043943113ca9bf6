// weft-bench: what weft costs, a row a process: see bench/row.h for the command line. Besides:
//
//   weft-bench echo ADDRESS       the echo server that weft-echo-load talks to: a goroutine and a
//                                 4 KiB buffer on its stack for each connection
//   weft-bench echo_lent ADDRESS  the same with a buffer lent when bytes are there
//   weft-bench tails load=F hogs=N seconds=S
//
// WEFT_MAXPROCS sets the processors. bench/run puts it beside others.

#include <weft/runtime.h>

#include <string_view>

#include "weft/rows.h"

namespace {

constexpr std::int64_t million = 1'000'000;

constexpr bench::row rows[] = {
    {"yield", {2, 4 * million}, bench::yield},
    {"spawn_join", {1000, million}, bench::spawn_join},
    {"spawn_1m", {million, 0}, bench::spawn_1m},
    {"channel_unbuffered", {1, million}, bench::channel_unbuffered},
    {"channel_128", {1, 5 * million}, bench::channel_128},
    {"channel_many", {8, million}, bench::channel_many},
    {"channel_many_128", {8, 2 * million}, bench::channel_many_128},
    {"select_ready_2", {1, 2 * million}, bench::select_ready_2},
    {"select_ready_4", {1, 2 * million}, bench::select_ready_4},
    {"select_blocking_2", {1, million}, bench::select_blocking_2},
    {"select_blocking_4", {1, million}, bench::select_blocking_4},
    {"select_stop_private", {1000, million}, bench::select_stop_private},
    {"select_stop_shared", {1000, million}, bench::select_stop_shared},
    {"mutex", {1, 20 * million}, bench::mutex},
    {"rwmutex_read", {1, 20 * million}, bench::rwmutex_read},
    {"skynet", {million, 0}, bench::skynet},
    {"crowd", {million, 0}, bench::crowd},
    {"spike", {million, 0}, bench::spike},
    {"sleepers", {million, 0}, bench::sleepers},
    {"timer_start_stop", {1, 2 * million}, bench::timer_start_stop},
    {"c_call", {1, 20 * million}, bench::c_call},
    {"cpu_tasks", {1000, 0}, bench::cpu_tasks},
    {"beside_spin", {1, 0}, bench::beside_spin},
    {"blocked", {200, 0}, bench::blocked},
    {"blocking_call", {1, 2 * million}, bench::blocking_call},
    {"sleep_50us", {1, 1000}, bench::sleep_50us},
    {"dial_beside_spin", {1, 50}, bench::dial_beside_spin},
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "echo" && argc == 3)
    return weft::run([&] { return bench::echo(argv[2], bench::buffer_kind::on_stack); });
  if (what == "echo_lent" && argc == 3)
    return weft::run([&] { return bench::echo(argv[2], bench::buffer_kind::lent); });
  if (what == "tails" && bench::unfit == nullptr) {
    const bench::tails_options options{
        .load = bench::number_of(argc, argv, "load=", 0.5),
        .hogs = static_cast<int>(bench::number_of(argc, argv, "hogs=", 0)),
        .seconds = bench::number_of(argc, argv, "seconds=", 3)};
    weft::run([&] { bench::tails(options); });
    return 0;
  }
  return bench::main_of(rows, argc, argv,
                        [](const bench::shape& s, auto run) { weft::run([&] { run(s); }); });
}
