// Sizes and durations as people write them.
#include <algorithm>
#include <charconv>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "larder/config.h"

namespace larder {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

constexpr std::uint64_t k = 1024;
constexpr Unit size_units[] = {
    {"", 1},
    {"k", k},
    {"m", k* k},
    {"g", k* k* k},
    {"t", k* k* k* k},
    {"kib", k},
    {"mib", k* k},
    {"gib", k* k* k},
    {"tib", k* k* k* k},
    {"kb", 1'000},
    {"mb", 1'000'000},
    {"gb", 1'000'000'000},
    {"tb", 1'000'000'000'000},
};

constexpr std::uint64_t second_ms = 1'000;
constexpr Unit duration_units[] = {
    {"ms", 1},
    {"s", second_ms},
    {"m", 60 * second_ms},
    {"h", 3'600 * second_ms},
    {"d", 24 * 3'600 * second_ms},
    {"w", 7 * 24 * 3'600 * second_ms},
};

std::unexpected<Error> refuse(std::string_view text, std::string_view advice) {
  return std::unexpected(Error{.code = Errc::invalid_argument,
                               .message = "`" + std::string(text) + "` is " + std::string(advice)});
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  // Not std::tolower: the locale must not decide what a configuration means.
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

// A whole number, spaces, a unit of the list. The advice is a sentence's end, for people.
Result<std::uint64_t> parse(std::string_view text, std::string_view lowered,
                            std::span<const Unit> units, std::string_view advice) {
  std::uint64_t number = 0;
  const auto [end, problem] =
      std::from_chars(lowered.data(), lowered.data() + lowered.size(), number);
  if (problem == std::errc::result_out_of_range) return refuse(text, "too large");
  if (problem != std::errc{}) return refuse(text, advice);

  std::string_view suffix = lowered.substr(static_cast<std::size_t>(end - lowered.data()));
  suffix.remove_prefix(std::min(suffix.find_first_not_of(' '), suffix.size()));
  const auto unit = std::ranges::find(units, suffix, &Unit::suffix);
  if (unit == units.end()) return refuse(text, advice);
  if (number > std::numeric_limits<std::uint64_t>::max() / unit->factor) {
    return refuse(text, "too large");
  }
  return number * unit->factor;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  return guarded([&] {
    return parse(
        text, lower_case(text), size_units,
        "no size; write a whole number of bytes, or one with K, M, G, T (or KiB, KB, ...), "
        "for instance 5G");
  });
}

Result<std::uint64_t> parse_duration_ms(std::string_view text) {
  return guarded([&] {
    return parse(text, text, duration_units,
                 "no duration; write a whole number with ms, s, m, h, d or w, for instance 7d");
  });
}

}  // namespace larder
