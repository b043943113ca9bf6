#include "load/message.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace lab {

namespace {

constexpr std::string_view connection_word = "{connection}";
constexpr std::string_view message_word = "{message}";

// escape: the character after a backslash; takes what it used off the front of `text`.
parsed<char> escape(std::string_view& text) {
  if (text.empty()) return std::unexpected("a message ends with a backslash");
  const char letter = text.front();
  text.remove_prefix(1);
  if (letter == 'x') {
    unsigned value = 0;
    const auto digits = text.substr(0, 2);
    const auto [rest, problem] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (problem != std::errc() || digits.size() != 2 || rest != digits.data() + 2)
      return std::unexpected("\\x in a message takes two hexadecimal digits");
    text.remove_prefix(2);
    return static_cast<char>(value);
  }
  switch (letter) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case '0': return '\0';
    case '\\': return letter;
    default: break;
  }
  return std::unexpected(std::string("a message has an unknown escape: \\") + letter);
}

}  // namespace

parsed<message> message::parse(std::string_view text) {
  message m;
  while (!text.empty()) {
    if (text.starts_with(connection_word) || text.starts_with(message_word)) {
      const bool of_message = text.starts_with(message_word);
      m.counters_.push_back({m.text_.size(), of_message});
      m.text_.append(counter_width, '0');
      text.remove_prefix(of_message ? message_word.size() : connection_word.size());
      continue;
    }
    char c = text.front();
    text.remove_prefix(1);
    if (c == '\\') {
      const auto escaped = escape(text);
      if (!escaped) return std::unexpected(escaped.error());
      c = *escaped;
    }
    m.text_ += c;
  }
  if (m.text_.empty()) return std::unexpected("a message is empty");
  return m;
}

void message::instance(std::uint64_t connection, std::uint64_t number, char* into) const {
  std::memcpy(into, text_.data(), text_.size());
  for (const auto& c : counters_) {
    std::uint64_t value = c.of_message ? number : connection;
    for (std::size_t i = counter_width; i-- > 0; value /= 10)
      into[c.at + i] = static_cast<char>('0' + value % 10);
  }
}

void message::write(std::uint64_t connection, std::uint64_t offset, std::span<char> into) const {
  std::string one(size(), '\0');
  std::size_t done = 0;
  while (done < into.size()) {
    const std::uint64_t number = (offset + done) / size();
    const std::size_t skip = (offset + done) % size();
    const std::size_t n = std::min(size() - skip, into.size() - done);
    if (n == size()) {
      instance(connection, number, into.data() + done);
    } else {
      instance(connection, number, one.data());
      std::memcpy(into.data() + done, one.data() + skip, n);
    }
    done += n;
  }
}

bool message::matches(std::uint64_t connection, std::uint64_t offset,
                      std::span<const char> bytes) const {
  std::string one(size(), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::size_t skip = (offset + done) % size();
    const std::size_t n = std::min(size() - skip, bytes.size() - done);
    instance(connection, (offset + done) / size(), one.data());
    if (std::memcmp(bytes.data() + done, one.data() + skip, n) != 0) return false;
    done += n;
  }
  return true;
}

}  // namespace lab
