// Figures and tables for people.
#ifndef LARDER_CLI_TEXT_H_
#define LARDER_CLI_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace larder::cli {

// As FORMAT.md writes a key id: 16 hex digits.
std::string key_id_text(std::uint64_t id);

// "1.5 GiB"; "12 B".
std::string human_bytes(std::uint64_t bytes);

// "1 entry"; "2 entries".
std::string entries_text(std::uint64_t count);

// "2026-11-03T09:00:00Z".
std::string iso_time(std::int64_t seconds);

// "part / whole (12.34%)"; no percentage of nothing.
std::string ratio(std::uint64_t part, std::uint64_t whole);

// `text` without control characters, which would move a terminal's cursor or change its colours.
std::string printable(std::string_view text);

// Names to the left, values to the right, in two columns, on standard output.
using Row = std::pair<std::string, std::string>;
void print_rows(const std::vector<Row>& rows);

}  // namespace larder::cli

#endif  // LARDER_CLI_TEXT_H_
