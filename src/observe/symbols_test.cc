#include "observe/symbols.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "arch/test_loading.h"

namespace weft::observe {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// nowhere: an address, as of a return, in this program and in none of its functions.
std::uintptr_t nowhere() {
  static const char* const literal = "which has no symbol";
  return reinterpret_cast<std::uintptr_t>(literal) + 5;
}

TEST(symbols, give_the_file_and_the_offset_of_what_has_no_name) {
  symbols names(false);
  EXPECT_THAT(names.at(nowhere()).back().function, HasSubstr("weft_observe_test+0x"));
  EXPECT_EQ(names.at(2).back().function, "0x1");
}

TEST(symbols, are_cut_where_they_are_long) {
  EXPECT_EQ(readable("_ZN4weft5sched3runEv"), "weft::sched::run()");
  EXPECT_EQ(readable("f"), "f");  // which is a mangled float
  std::string nested = "_ZN";
  for (int i = 0; i < 180; ++i) nested += "1ab";
  EXPECT_EQ(readable(nested), nested.substr(0, 256) + "...");
  EXPECT_EQ(readable(std::string(2000, 'x')), std::string(1024, 'x') + "...");
  // Each argument is a pair of the one before.
  const std::string twice = "_Z1fSt4pairIiiES_IS0_S0_ES_IS1_S1_ES_IS2_S2_ES_IS3_S3_ES_IS4_S4_E";
  EXPECT_THAT(readable(twice), StartsWith("f(std::pair<int, int>, std::pair<std::pair<"));
  EXPECT_EQ(readable(twice + "S_IS5_S5_ES_IS6_S6_E").size(), 1024u + 3);
}

#ifdef __GLIBC__
// entry: as a return address just behind the beginning of that function.
std::uintptr_t entry(void* library, const char* name) {
  return reinterpret_cast<std::uintptr_t>(::dlsym(library, name)) + 1;
}

// More often than there are states for: then files and offsets, never another module's names.
TEST(symbols, know_what_was_loaded_since) {
  std::size_t named = 0;
  for (int i = 0; i < 20; ++i) {
    void* library = ::dlopen("libBrokenLocale.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) GTEST_SKIP() << ::dlerror();
    const auto pc = entry(library, "__ctype_get_mb_cur_max");
    symbols names(false);
    const std::string name = names.at(pc).back().function;
    if (name.find("libBrokenLocale.so.1+0x") == std::string::npos) {
      EXPECT_EQ(name, "__ctype_get_mb_cur_max") << i;
      ++named;
    }
    ::dlclose(library);
    EXPECT_THAT(symbols(false).at(pc).back().function, StartsWith("0x")) << i;
    symbols still(false);
    EXPECT_THAT(still.at(reinterpret_cast<std::uintptr_t>(&nowhere) + 1).back().function,
                HasSubstr("nowhere"));
  }
  EXPECT_GE(named, 5u);
  EXPECT_LT(named, 20u);
}

TEST(symbols, wait_for_nobody_who_loads_a_library) {
  const arch_test::loading now;
  for (const bool crashed : {false, true}) {
    symbols names(crashed);
    EXPECT_THAT(names.at(nowhere()).back().function, HasSubstr("weft_observe_test+0x"));
  }
}
#endif

}  // namespace
}  // namespace weft::observe
