#pragma once

// lines: the protocol behind the key: lines both ways. Reads end anywhere; what is stored and sent
// on are whole lines, so that those of several members never mix.

#include <cstddef>
#include <span>
#include <string>

namespace lab::chat {

// line_max: a longer line is broken into several.
constexpr std::size_t line_max = 4096;

// replay_lines, replay_bytes: what a member who enters is shown of the past, at most.
constexpr std::size_t replay_lines = 7;
constexpr std::size_t replay_bytes = 1050;

class line_gatherer {
 public:
  // add: what a read gave. Returns the whole lines there are now, which are good until the next
  // call; empty if there is none.
  std::span<const char> add(std::span<const char> bytes);

  // rest: what came after the last line, made a line, at the end of a connection.
  std::span<const char> rest();

 private:
  std::string text_;
  std::size_t given_ = 0;  // of text_, by the last call
};

// replay_start: where in `tail`, the last bytes of the chat, the replay begins. `whole` is true if
// there is nothing before them; otherwise they may begin within a line, which is left out.
std::size_t replay_start(std::span<const char> tail, bool whole);

// harmless: `bytes` with what a terminal could take for a command replaced by '?'.
std::string harmless(std::span<const char> bytes);

}  // namespace lab::chat
