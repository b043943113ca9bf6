// weft-conformance: lists the scenarios, or runs those that are named.
//
//   weft-conformance list              a line each: name, kind, rule, with tabs between them
//   weft-conformance run NAME...       "== NAME", then what it says; a program ends the process

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

std::vector<const scenario*>& all() {
  static std::vector<const scenario*> scenarios;
  return scenarios;
}

int list() {
  for (const scenario* s : all()) {
    const char* what = s->what == kind::program ? "program" : "goroutine";
    std::printf("%s\t%s\t%s\n", s->name, what, s->rule);
  }
  return 0;
}

int run(const char* name) {
  const auto named = [&](const scenario* s) { return std::strcmp(s->name, name) == 0; };
  const auto found = std::ranges::find_if(all(), named);
  if (found == all().end()) {
    std::fprintf(stderr, "weft-conformance: no scenario is called %s\n", name);
    return 2;
  }
  std::printf("== %s\n", name);
  if ((*found)->what == kind::program) weft::main((*found)->run);
  weft::run((*found)->run);
  return 0;
}

}  // namespace

scenario::scenario(const char* its_name, kind its_kind, const char* its_rule, void (*f)())
    : name(its_name), what(its_kind), rule(its_rule), run(f) {
  all().push_back(this);
}

std::string task::state() const {
  for (;; yield()) {
    // acquire, twice: pairs with the stores of the goroutine.
    if (seen_->ended.load(std::memory_order_acquire)) return seen_->end;
    auto* g = seen_->record.load(std::memory_order_acquire);
    if (g == nullptr || !g->try_hold()) continue;
    const bool its_own = g->id.get() == seen_->id;  // records serve many goroutines
    const auto reason = g->reason.get();
    g->drop_hold();
    if (its_own) return "blocks: " + std::string(sched::text_of(reason));
  }
}

}  // namespace weft::conformance

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 4096);  // what was said survives a fatal end
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "list" && argc == 2) return weft::conformance::list();
  if (command != "run") {
    std::fputs("usage: weft-conformance list | run NAME...\n", stderr);
    return 2;
  }
  for (int i = 2; i < argc; ++i) {
    if (const int status = weft::conformance::run(argv[i]); status != 0) return status;
  }
  return 0;
}
