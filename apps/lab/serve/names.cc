#include "serve/server.h"

namespace lab {

std::optional<variant> parse_variant(std::string_view name) {
  if (name == "fair") return variant::fair;
  if (name == "as-published") return variant::as_published;
  return std::nullopt;
}

std::optional<family> parse_family(std::string_view name) {
  if (name == "tcp") return family::both;
  if (name == "tcp4") return family::v4;
  if (name == "tcp6") return family::v6;
  return std::nullopt;
}

std::string_view family_name(family f) {
  return f == family::both ? "tcp" : f == family::v4 ? "tcp4" : "tcp6";
}

std::string_view variant_name(variant v) { return v == variant::fair ? "fair" : "as-published"; }

}  // namespace lab
