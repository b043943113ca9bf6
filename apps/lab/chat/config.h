#pragma once

// config: files of lines "NAME value". Of two lines with one name the first counts; empty lines and
// what begins with # do not.

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lab::chat {

using config = std::map<std::string, std::string, std::less<>>;
using config_result = std::expected<config, std::string>;  // or a text for the user

constexpr std::size_t config_line_max = 512;

// parse_config: `text`, in which no other names than `known` may stand.
config_result parse_config(std::string_view text, const std::vector<std::string_view>& known);

// read_config: the file at `path`.
config_result read_config(const std::string& path, const std::vector<std::string_view>& known);

// number_of: the value of `name` as a number from 0 to `most`, or `otherwise` where it is missing.
std::expected<unsigned long, std::string> number_of(const config& c, std::string_view name,
                                                    unsigned long otherwise, unsigned long most);

}  // namespace lab::chat
