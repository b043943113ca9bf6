#pragma once

// test_client: an IRC client for tests, on a blocking socket with a time limit for each wait. What
// it expects it waits for; ask() knows that an answer is complete because PONG never comes before
// it.

#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tertulia::testing {

using lines = std::vector<std::string>;

class test_client {
 public:
  // Connects; nothing is sent.
  explicit test_client(std::uint16_t port);
  // Connects and registers; returns when the welcome is over. `caps` are requested before.
  test_client(std::uint16_t port, const std::string& nick, const std::string& caps = "");
  ~test_client();
  test_client(test_client&& other) noexcept;
  test_client& operator=(test_client&&) = delete;

  // send: a line; the end is added. send_raw: bytes as they are.
  void send(std::string_view line);
  void send_raw(std::string_view bytes);

  // next: the next line, without its end. Throws when the connection is closed or nothing comes.
  [[nodiscard]] std::string next();
  // expect: reads until a line holds `part`, and returns it; what came before is forgotten.
  std::string expect(std::string_view part);
  // ask: sends `line` and returns all that comes before the answer to a PING after it.
  [[nodiscard]] lines ask(std::string_view line);
  // settle: all that has come and comes before the answer to a PING.
  lines settle();
  // rest: all lines until the server closes the connection.
  [[nodiscard]] lines rest();

  // shut_writing: half-closes. stop_reading is what not calling any of the above does.
  void shut_writing();
  void close();

 private:
  // fill: reads more; false at the end of the stream.
  [[nodiscard]] bool fill();
  [[nodiscard]] bool take_line(std::string& line);

  int socket_ = -1;
  int pings_ = 0;
  std::string buffer_;
  std::string transcript_;
};

// never_stops_sending: sends `text` over and over until the server closes the connection, or the
// thread is asked to stop.
[[nodiscard]] std::jthread never_stops_sending(test_client& c, std::string_view text);

// without_tags: a line without what stands before the space, if it begins with '@'.
[[nodiscard]] std::string without_tags(std::string_view line);
// tag_of: the value of a tag of a line, or "".
[[nodiscard]] std::string tag_of(std::string_view line, std::string_view key);
// bare: without_tags of each.
[[nodiscard]] lines bare(const lines& all);

}  // namespace tertulia::testing
