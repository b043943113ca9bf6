#include "arch/code_place.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#include <cstddef>
#include <cstdio>

// Whether there is _dl_find_object(), which takes no lock.
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 35)
#define WEFT_HAS_FIND_OBJECT 1
#endif
#endif

namespace weft::arch {

// dladdr(3) waits until nobody loads a library: a constructor of one that waits for us would do so
// for ever.
code_place place_of(std::uintptr_t pc, [[maybe_unused]] bool crashed) noexcept {
#if WEFT_HAS_FIND_OBJECT
  dl_find_object found{};
  if (::_dl_find_object(reinterpret_cast<void*>(pc), &found) != 0) return {};
  const link_map& module = *found.dlfo_link_map;
  const bool program = module.l_name == nullptr || module.l_name[0] == '\0';
  return {program ? program_invocation_name : module.l_name, module.l_addr};
#else
  Dl_info info{};
  if (crashed || ::dladdr(reinterpret_cast<void*>(pc), &info) == 0) return {};
  return {info.dli_fname, reinterpret_cast<std::uintptr_t>(info.dli_fbase)};
#endif
}

place_text text_of_place(const void* pc) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(pc);
  const code_place at = place_of(address, true);
  place_text text;
  if (at.file == nullptr) {
    std::snprintf(text.data(), text.size(), "[%#zx]", static_cast<std::size_t>(address));
  } else {
    std::snprintf(text.data(), text.size(), "%.440s(+%#zx) [%#zx]", at.file,
                  static_cast<std::size_t>(address - at.base), static_cast<std::size_t>(address));
  }
  return text;
}

}  // namespace weft::arch
