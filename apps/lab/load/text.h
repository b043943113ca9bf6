#pragma once

// text: what is typed on the command line: amounts with units, durations, lists, and messages.

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace lab {

// Each returns what is wrong as a text for the user.
template <class T>
using parsed = std::expected<T, std::string>;

// parse_amount: "250", "1k", "1M", "2.5G" (powers of 1,000).
parsed<double> parse_amount(std::string_view text);

// parse_bandwidth: bits per second: "1Mbps", "64kbps", or bytes: "125kBps"; a number alone is bits.
parsed<double> parse_bandwidth(std::string_view text);

// parse_duration: "60s", "500ms", "10us", "2m"; a number alone is seconds.
parsed<std::chrono::nanoseconds> parse_duration(std::string_view text);

// parse_numbers: "1,2,4" or "1..64" (doubling, both ends included) or both. Each at least 1.
parsed<std::vector<unsigned>> parse_numbers(std::string_view text);

// parse_names: "a,b,c".
std::vector<std::string> parse_names(std::string_view text);

}  // namespace lab
