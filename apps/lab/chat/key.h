#pragma once

// key: what all members share. A client sends it as the first bytes of its connection.

#include <cstddef>
#include <expected>
#include <span>
#include <string>

namespace lab::chat {

constexpr std::size_t key_size = 128;

// same_key: whether `given` is `key`, in a time that does not tell how much of it is right.
bool same_key(std::span<const char> given, std::span<const char> key);

// new_key: 128 hexadecimal digits of the system's randomness; empty if there is none.
std::string new_key();

// read_key: the key in the file at `path`, "KEY value" as all configuration. An error is a text for
// the user; that others than its owner and group may read the file is one.
std::expected<std::string, std::string> read_key(const std::string& path);

}  // namespace lab::chat
