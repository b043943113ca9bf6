#include "observe/symbols.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "arch/code_place.h"

namespace weft::observe {
namespace {

// mangled_max: names that are longer stay mangled: the demangler needs stack for each part of a
// name, and a goroutine has little. text_max: of a name for people.
constexpr std::size_t mangled_max = 256;
constexpr std::size_t text_max = 1024;

std::string cut(std::string text, std::size_t max) {
  if (text.size() <= max) return text;
  text.resize(max);
  return text + "...";
}

// text_of_place: for addr2line.
std::string text_of_place(std::uintptr_t pc, bool crashed) {
  const arch::code_place at = arch::place_of(pc, crashed);
  char text[32];
  std::snprintf(text, sizeof text, at.file != nullptr ? "+0x%zx" : "0x%zx",
                static_cast<std::size_t>(pc - at.base));
  return at.file != nullptr ? std::string(at.file) + text : text;
}

// scope_of: of a name that stayed mangled, from its first scope on; else nothing.
std::string_view scope_of(std::string_view name) {
  if (!name.starts_with("_Z")) return {};
  name.remove_prefix(2);
  return name.substr(std::min(name.find_first_not_of("ZNK"), name.size()));
}

// is_ours: of the runtime: what every goroutine that waits, or takes a dump, stands in.
bool is_ours(const source& s) {
  const std::string_view name = s.function;
  for (const char* part : {"4weft5sched", "4weft4sync", "4weft7observe"}) {
    if (scope_of(name).starts_with(part)) return true;
  }
  return name.starts_with("weft::sched::") || name.starts_with("weft::sync::") ||
         name.starts_with("weft::observe::") || name == "weft_switch_context" ||
         name == "backtrace" ||
         name.find("interceptor_backtrace") != std::string_view::npos;  // a sanitizer's
}

// is_base: what every goroutine began with. Names of what was inlined have no namespace.
bool is_base(const source& s) {
  const std::string_view name = s.function;
  if (is_ours(s) || name == "weft_stack_base") return true;
  for (const char* part : {"weft::detail::invoke_", "std::invoke<", "std::__invoke"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  for (const char* part : {"invoke<", "invoke_closure<", "invoke_boxed<", "__invoke"}) {
    if (name.starts_with(part)) return true;
  }
  for (const char* part : {"4weft6detail14invoke_", "4weft6detail12invoke_", "St6invokeI",
                           "St8__invoke", "St13__invoke"}) {
    if (scope_of(name).starts_with(part)) return true;
  }
  return false;
}

// is_library: a function of weft that is no template: what was inlined there is nobody else's
// business.
bool is_library(const source& s) {
  return s.function.starts_with("weft::") && s.function.find('<') == std::string::npos;
}

}  // namespace

std::string readable(const std::string& name) {
  if (!name.starts_with("_Z")) return cut(name, text_max);
  if (name.size() > mangled_max) return cut(name, mangled_max);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0 || text == nullptr) return name;
  return cut(std::string(text.get(), ::strnlen(text.get(), text_max + 1)), text_max);
}

const std::vector<source>& symbols::at(std::uintptr_t pc) {
  const auto [at, fresh] = known_.try_emplace(pc);
  std::vector<source>& found = at->second;
  if (!fresh) return found;
  information_.sources(pc - 1, found);
  if (found.empty()) found.emplace_back();
  // The symbol has the whole name, of a function that stands for itself.
  if (std::string symbol = information_.symbol(pc - 1); !symbol.empty())
    found.back().function = std::move(symbol);
  if (found.back().function.empty()) found.back().function = text_of_place(pc - 1, crashed_);
  for (source& s : found) s.function = readable(s.function);
  if (is_library(found.back())) found.erase(found.begin(), found.end() - 1);
  return found;
}

std::vector<const source*> symbols::stack(const std::vector<std::uintptr_t>& addresses) {
  std::vector<const source*> all;
  for (const auto pc : addresses) {
    for (const source& s : at(pc)) all.push_back(&s);
  }
  auto first = all.begin();
  auto last = all.end();
  while (first != last && is_ours(**first)) ++first;
  while (last != first && is_base(**(last - 1))) --last;
  return first == last ? all : std::vector(first, last);
}

}  // namespace weft::observe
