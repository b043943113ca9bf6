#pragma once

// gtest: leaks of goroutines as failures of GoogleTest's tests.
//
//   int main(int argc, char** argv) {
//     testing::InitGoogleTest(&argc, argv);
//     weft::test::install_leak_listener();      // every test that leaves goroutines behind fails
//     return RUN_ALL_TESTS();
//   }
//
//   TEST(server, ends_all_it_starts) {
//     weft::run([] {
//       const weft::test::expect_no_leaks none;  // or: in one test, for one block
//       serve_one();
//     });
//   }

#include <gtest/gtest.h>
#include <weft/test.h>

#include <vector>

namespace weft::test {

// fail_by: a failure (as of EXPECT_) that names the goroutines which are proven or suspect; those
// of which nothing is known are named only beside others.
inline void fail_by(const std::vector<leak>& leaks) {
  for (const auto& l : leaks) {
    if (l.how == certainty::unknown) continue;
    ADD_FAILURE() << "goroutines were left behind:\n" << text_of(leaks);
    return;
  }
}

// expect_no_leaks: a block leaves no goroutine behind that it has started.
class expect_no_leaks {
 public:
  explicit expect_no_leaks(const leak_options& options = {}) : check_(fail_by, options) {}

 private:
  leak_check check_;
};

// install_leak_listener: from now on a test fails if a run() of its leaves goroutines behind that
// are proven or suspected to wait for ever (report_leaks). Once, before RUN_ALL_TESTS.
inline void install_leak_listener(const leak_options& options = {}) {
  class listener : public testing::EmptyTestEventListener {
   public:
    explicit listener(const leak_options& by) : options_(by) {}

   private:
    void OnTestStart(const testing::TestInfo&) override { report_leaks(fail_by, options_); }
    void OnTestEnd(const testing::TestInfo&) override { report_leaks({}); }

    const leak_options options_;
  };
  testing::UnitTest::GetInstance()->listeners().Append(new listener(options));
}

}  // namespace weft::test
