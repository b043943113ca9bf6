#pragma once

// fixture: a server of the test's own, and the names its lines begin with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/server_process.h"
#include "tests/temp_folder.h"
#include "tests/test_client.h"

namespace tertulia::testing {

class server_test : public ::testing::Test {
 protected:
  test_client client(const std::string& nick, const std::string& caps = "") {
    return {server_.port(), nick, caps};
  }

  temp_folder folder_;
  server_process server_{folder_.path()};
};

// mask: what lines of `nick` begin with.
inline std::string mask(const std::string& nick) { return ":" + nick + "!" + nick + "@127.0.0.1"; }

// row: a line a client sends, and everything it is answered.
struct row {
  std::string line;
  lines answers;
};

// run_table: the rows, one after the other, by one client.
inline void run_table(test_client& c, const std::vector<row>& rows) {
  for (const auto& r : rows) EXPECT_EQ(bare(c.ask(r.line)), r.answers) << r.line;
}

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

}  // namespace tertulia::testing
