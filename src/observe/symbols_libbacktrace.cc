// symbols, by GCC's libbacktrace, which reads DWARF and symbol tables.
//
// A state of that library learns once what is loaded, and cannot be freed. So there is another one
// when something was loaded or unloaded since, up to a number; from then on the last one is asked
// about the program itself, which stays what it is, and libraries have no names.

#include <backtrace.h>
#include <link.h>

#include <algorithm>
#include <array>

#include "base/atomic.h"
#include "base/lock.h"
#include "observe/symbols.h"

namespace weft::observe {
namespace {

constexpr std::size_t states_max = 16;

// loaded: what the dynamic linker says of modules.
struct loaded {
  unsigned long long loads = 0;
  unsigned long long unloads = 0;
  std::uintptr_t program_low = UINTPTR_MAX;
  std::uintptr_t program_high = 0;

  [[nodiscard]] bool same_modules(const loaded& other) const noexcept {
    return loads == other.loads && unloads == other.unloads;
  }
};

// note_program: the first module is the program; the numbers are the same with each.
int note_program(dl_phdr_info* info, std::size_t, void* raw) {
  auto& to = *static_cast<loaded*>(raw);
  to.loads = info->dlpi_adds;
  to.unloads = info->dlpi_subs;
  for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD) continue;
    const std::uintptr_t low = info->dlpi_addr + part.p_vaddr;
    to.program_low = std::min(to.program_low, low);
    to.program_high = std::max(to.program_high, low + part.p_memsz);
  }
  return 1;
}

// ignore: what cannot be read is looked for elsewhere.
void ignore(void*, const char*, int) {}

int add_line(void* raw, std::uintptr_t, const char* file, int line, const char* function) {
  if (file == nullptr && function == nullptr) return 0;
  static_cast<std::vector<source>*>(raw)->push_back(
      {function != nullptr ? function : "", file != nullptr ? file : "", line});
  return 0;
}

void note_symbol(void* raw, std::uintptr_t, const char* name, std::uintptr_t, std::uintptr_t) {
  if (name != nullptr) *static_cast<std::string*>(raw) = name;
}

backtrace_state* new_state() { return ::backtrace_create_state(nullptr, 1, ignore, nullptr); }

// readers: all states there are. Constant-initialised: whoever dies may come early.
struct readers {
  base::lock<base::rank::leaf> lock;
  std::array<backtrace_state*, states_max> all{};  // so that leak checkers find them
  std::size_t count = 0;
  loaded then;  // when the last one was made
  base::atomic<backtrace_state*> last{nullptr};
};
constinit readers known;

}  // namespace

debug_information::debug_information(bool crashed) {
  if (crashed) {
    // acquire: pairs with the store below. Without a lock, which the dying thread may hold.
    backtrace_state* state = known.last.load(base::acquire);
    state_ = state != nullptr ? state : new_state();
    return;
  }
  loaded now;
  ::dl_iterate_phdr(note_program, &now);
  const base::locked hold(known.lock);
  const bool changed = known.count == 0 || !now.same_modules(known.then);
  if (changed && known.count < states_max) {
    if (backtrace_state* state = new_state(); state != nullptr) {
      known.all[known.count++] = state;
      known.then = now;
      known.last.store(state, base::release);  // release: publishes what it points to
    }
  }
  state_ = known.last.load(base::relaxed);  // relaxed: under the lock
  if (now.same_modules(known.then)) return;
  low_ = now.program_low;
  high_ = now.program_high;
}

void debug_information::sources(std::uintptr_t pc, std::vector<source>& to) const {
  if (knows(pc))
    ::backtrace_pcinfo(static_cast<backtrace_state*>(state_), pc, add_line, ignore, &to);
}

std::string debug_information::symbol(std::uintptr_t pc) const {
  std::string name;
  if (knows(pc))
    ::backtrace_syminfo(static_cast<backtrace_state*>(state_), pc, note_symbol, ignore, &name);
  return name;
}

}  // namespace weft::observe
