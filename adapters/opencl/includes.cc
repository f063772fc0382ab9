#include "includes.h"

#include <algorithm>
#include <array>
#include <optional>

namespace larder::opencl {
namespace {

constexpr std::string_view blanks = " \t\v\f\r";
constexpr std::string_view word = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

// Joins lines that end in a backslash; compilers also accept blanks behind it.
std::string splice_lines(std::string_view text) {
  std::string spliced;
  spliced.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      const std::size_t end = text.find_first_not_of(blanks, at + 1);
      if (end != text.npos && text[end] == '\n') {
        at = end;
        continue;
      }
    }
    spliced.push_back(text[at]);
  }
  return spliced;
}

std::size_t skip_blanks_and_comments(std::string_view text, std::size_t at) {
  for (;;) {
    at = std::min(text.find_first_not_of(blanks, at), text.size());
    if (!text.substr(at).starts_with("/*")) return at;
    const std::size_t end = text.find("*/", at + 2);
    at = end == text.npos ? text.size() : end + 2;
  }
}

// The name at `at` between quotes or angle brackets, on one line.
std::optional<std::string> name_at(std::string_view text, std::size_t at) {
  if (at >= text.size() || (text[at] != '"' && text[at] != '<')) return {};
  const std::string_view line = text.substr(at, text.find('\n', at) - at);
  const std::size_t end = line.find(line.front() == '"' ? '"' : '>', 1);
  if (end == line.npos) return {};
  return std::string(line.substr(1, end - 1));
}

// Whether a `#` at `at` can begin a directive: nothing but blanks, or the end of a comment, before
// it.
bool begins_directive(std::string_view text, std::size_t at) {
  const std::size_t before = at == 0 ? text.npos : text.find_last_not_of(blanks, at - 1);
  return before == text.npos || text[before] == '\n' ||
         (text[before] == '/' && before > 0 && text[before - 1] == '*');
}

// `#include` and its kin, whose first sign (`#` or `%:`) of `sign` bytes stands at `at`.
void look_at_directive(std::string_view text, std::size_t at, std::size_t sign, Includes& found) {
  constexpr std::array keywords = {std::string_view("include"), std::string_view("include_next"),
                                   std::string_view("import"), std::string_view("embed")};
  const std::size_t begin = skip_blanks_and_comments(text, at + sign);
  const std::size_t end = std::min(text.find_first_not_of(word, begin), text.size());
  if (std::ranges::find(keywords, text.substr(begin, end - begin)) == keywords.end()) return;
  if (auto name = name_at(text, skip_blanks_and_comments(text, end))) {
    found.names.push_back(*std::move(name));
  } else if (begins_directive(text, at)) {
    found.certain = false;
  }
}

// `__has_include("x.h")` asks whether the file is there, so its being there is an input as well.
void look_at_question(std::string_view text, std::size_t at, Includes& found) {
  std::size_t open = std::min(text.find_first_not_of(word, at), text.size());
  open = skip_blanks_and_comments(text, open);
  if (open >= text.size() || text[open] != '(') return;  // `#ifdef __has_include`
  if (auto name = name_at(text, skip_blanks_and_comments(text, open + 1))) {
    found.names.push_back(*std::move(name));
  } else {
    found.certain = false;
  }
}

}  // namespace

Includes find_includes(std::string_view original) {
  const std::string text = splice_lines(original);
  Includes found;
  // Trigraphs for `#` and the backslash: nobody writes them today, and reading past one would be
  // wrong.
  found.certain = text.find("?\?=") == text.npos && text.find("?\?/") == text.npos;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = std::string_view(text).substr(at);
    if (rest.starts_with('#')) look_at_directive(text, at, 1, found);
    if (rest.starts_with("%:")) look_at_directive(text, at, 2, found);
    if (rest.starts_with("__has_include") || rest.starts_with("__has_embed")) {
      look_at_question(text, at, found);
    }
  }
  return found;
}

}  // namespace larder::opencl
