#include "text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace larder::cli {
namespace {

std::uint8_t at(std::string_view text, std::size_t i) { return static_cast<std::uint8_t>(text[i]); }

// How long the character at the front is; 0: a terminal could act upon it, or it is none. The
// control characters U+0080 to U+009F are two bytes long, and one where a terminal reads no UTF-8.
std::size_t printable_character(std::string_view text) {
  const std::uint8_t lead = at(text, 0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(text, i) & 0xc0) != 0x80) return 0;
  }
  // Written longer than need be, it could be any of them for a lenient terminal.
  const bool is_overlong =
      (lead == 0xe0 && at(text, 1) < 0xa0) || (lead == 0xf0 && at(text, 1) < 0x90);
  return is_overlong || (lead == 0xc2 && at(text, 1) < 0xa0) ? 0 : length;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string entries_text(std::uint64_t count) {
  return fmt::format("{} {}", count, count == 1 ? "entry" : "entries");
}

std::string key_id_text(std::uint64_t id) { return fmt::format("{:016x}", id); }

std::string iso_time(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[32];
  if (::gmtime_r(&time, &parts) == nullptr) return "?";
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string ratio(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return fmt::format("{}", part);
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return fmt::format("{} / {} ({:.2f}%)", part, whole, percent);
}

std::string printable(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const std::size_t length = printable_character(text);
    clean += length == 0 ? "?" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return clean;
}

void print_rows(const std::vector<Row>& rows) {
  std::size_t width = 0;
  for (const Row& row : rows) width = std::max(width, row.first.size());
  for (const auto& [name, value] : rows) fmt::print("{:<{}}  {}\n", name, width, printable(value));
}

}  // namespace larder::cli
