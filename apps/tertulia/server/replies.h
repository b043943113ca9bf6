#pragma once

// replies: lines of the server for one client, gathered and sent at once.
//
//   replies out(env, who);
//   out.numeric(proto::rpl_topic, {name}, topic);
//   out.send();
//
// The nick and the capabilities are those at the time it was made.

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "proto/line_writer.h"
#include "proto/numerics.h"
#include "proto/utf8.h"
#include "server/client.h"

namespace tertulia {

// word_or_star: what a client wrote, as it may stand in a reply to it.
[[nodiscard]] inline std::string_view word_or_star(std::string_view given) {
  return given.empty() || given.find(' ') != given.npos || given.starts_with(':')
             ? "*"
             : proto::cut_utf8(given, 100);
}

class replies {
 public:
  replies(const std::string& server_name, std::shared_ptr<client> to);

  // numeric: ":server NNN nick params :text". Without a text of its own, that of the numeric; when
  // both are empty there is none.
  void numeric(const proto::numeric& n, std::initializer_list<std::string_view> params = {},
               std::string_view text = {});
  // plain: a numeric whose last parameter is a word, not a text.
  void plain(const proto::numeric& n, std::initializer_list<std::string_view> params);
  // text: a numeric whose text is given, even an empty one.
  void text(const proto::numeric& n, std::initializer_list<std::string_view> params,
            std::string_view text);

  // line: a line with source `source`, to be ended by the caller; server-time is on it already.
  [[nodiscard]] proto::line_writer line(std::string_view source);
  [[nodiscard]] proto::line_writer server_line() { return line(server_name_); }

  // fail: "FAIL command code context :text".
  void fail(std::string_view command, std::string_view code,
            std::initializer_list<std::string_view> context, std::string_view text);

  // error: "ERROR :text", the last line of a connection.
  void error(std::string_view text);

  [[nodiscard]] std::string& bytes() noexcept { return bytes_; }
  [[nodiscard]] proto::cap_set caps() const noexcept { return caps_; }
  [[nodiscard]] const std::string& nick() const noexcept { return nick_; }

  // send: to the client; the lines are gone from here.
  void send();

 private:
  proto::line_writer begin(const proto::numeric& n, std::initializer_list<std::string_view> params);

  const std::string& server_name_;
  const std::shared_ptr<client> to_;
  const proto::cap_set caps_;
  const std::string nick_;
  std::string time_;  // for server-time; "" when the client has not asked for it
  std::string bytes_;
};

}  // namespace tertulia
