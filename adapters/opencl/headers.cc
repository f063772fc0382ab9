#include "headers.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <utility>

#include "includes.h"

namespace larder::opencl {
namespace {

constexpr std::size_t max_header_bytes = 16u << 20;
constexpr std::size_t max_total_bytes = 64u << 20;
constexpr std::size_t max_files = 4096;

// At blanks only, as PoCL does.
std::vector<std::string> split_plainly(std::string_view options) {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  std::vector<std::string> words;
  for (std::size_t at = 0; (at = options.find_first_not_of(blanks, at)) != options.npos;) {
    const std::size_t end = std::min(options.find_first_of(blanks, at), options.size());
    words.emplace_back(options.substr(at, end - at));
    at = end;
  }
  return words;
}

// With quotes and backslashes for directories whose names contain blanks, as other drivers do.
std::vector<std::string> split_quoted(std::string_view options) {
  std::vector<std::string> words(1);
  char quote = '\0';
  for (std::size_t at = 0; at < options.size(); ++at) {
    const char c = options[at];
    if (c == '\\' && at + 1 < options.size()) {
      words.back().push_back(options[++at]);
    } else if (quote != '\0' ? c == quote : (c == '"' || c == '\'')) {
      quote = quote == '\0' ? c : '\0';
    } else if (quote == '\0' && (c == ' ' || c == '\t' || c == '\n')) {
      words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  std::erase(words, std::string());
  return words;
}

void look_at_words(const std::vector<std::string>& words, IncludeOptions& parsed) {
  constexpr std::array directory_options = {"-isystem", "-iquote", "-idirafter", "-I"};
  constexpr std::array file_options = {"-include", "-imacros", "-ivfsoverlay", "--config", "@"};
  for (std::size_t at = 0; at < words.size(); ++at) {
    for (const std::string_view option : file_options) {
      if (words[at].starts_with(option)) parsed.certain = false;
    }
    for (const std::string_view option : directory_options) {
      if (!words[at].starts_with(option)) continue;
      std::string directory = words[at].substr(option.size());
      if (directory.empty() && at + 1 < words.size()) directory = words[++at];
      parsed.directories.push_back(std::move(directory));
      break;
    }
  }
}

class Scan {
 public:
  Scan(FileSystem& fs, std::vector<std::string> directories)
      : fs_(fs), directories_(std::move(directories)) {}

  // `directory` is where the text was found; a source has none and counts as in the current one.
  // `text` may be one of result.contents, which grow below: it is not looked at once names are
  // known.
  void add_text(std::string_view text, const std::string& directory) {
    const Includes found = find_includes(text);
    if (!found.certain) result.complete = false;
    for (const std::string& name : found.names) {
      if (!result.complete) return;
      std::string where;
      std::size_t position = 0;
      try_place(directory, name, position, where);
      for (const std::string& candidate : directories_) {
        try_place(candidate, name, ++position, where);
      }
      result.includes.push_back(name);
      result.includes.push_back(std::move(where));
    }
  }

  // Files found wait here for their turn, so that a long chain of headers needs no deep stack.
  void drain() {
    for (std::size_t next = 0; next < waiting_.size() && result.complete; ++next) {
      const auto [content, directory] = waiting_[next];
      add_text(result.contents[content], directory);
    }
  }

  Headers result;

 private:
  // Notes `position=number` in `where` when `name` is a file below `directory`.
  void try_place(const std::string& directory, const std::string& name, std::size_t position,
                 std::string& where) {
    const std::string path = name.starts_with('/') ? name : directory + "/" + name;
    const std::size_t slash = path.rfind('/');
    const auto real = real_directory(path.substr(0, slash + 1));
    if (real.empty()) return;
    const auto number = file_number(real, path.substr(slash + 1));
    if (number == no_file) return;
    where += std::to_string(position) + "=" + std::to_string(number) + " ";
  }

  // Empty when there is no such directory. Without it `a/../b/../a/...` would never end.
  std::string real_directory(const std::string& path) {
    const auto [known, is_new] = real_directories_.try_emplace(path);
    if (is_new) known->second = fs_.resolve(path).value_or(std::string());
    return known->second;
  }

  std::size_t file_number(const std::string& directory, const std::string& name) {
    const auto [known, is_new] = files_.try_emplace(directory + "/" + name, no_file);
    if (is_new) known->second = read(known->first, directory);
    return known->second;
  }

  std::size_t read(const std::string& path, const std::string& directory) {
    auto content = fs_.read_file(path, max_header_bytes);
    if (!content) {
      if (content.error().code != Errc::absent) result.complete = false;
      return no_file;
    }
    total_bytes_ += content->size();
    if (total_bytes_ > max_total_bytes || result.contents.size() >= max_files) {
      result.complete = false;
      return no_file;
    }
    result.contents.push_back(*std::move(content));
    waiting_.emplace_back(result.contents.size() - 1, directory);
    return result.contents.size() - 1;
  }

  static constexpr std::size_t no_file = static_cast<std::size_t>(-1);

  FileSystem& fs_;
  std::vector<std::string> directories_;
  std::map<std::string, std::string> real_directories_;
  std::map<std::string, std::size_t> files_;
  std::vector<std::pair<std::size_t, std::string>> waiting_;  // number of a content, its directory
  std::size_t total_bytes_ = 0;
};

}  // namespace

IncludeOptions parse_include_options(std::string_view options) {
  IncludeOptions parsed;
  const std::vector<std::string> plain = split_plainly(options);
  const std::vector<std::string> quoted = split_quoted(options);
  look_at_words(plain, parsed);
  if (quoted != plain) look_at_words(quoted, parsed);
  return parsed;
}

Headers scan_headers(FileSystem& fs, std::span<const std::string> sources,
                     std::string_view options) {
  IncludeOptions parsed = parse_include_options(options);
  Scan scan(fs, std::move(parsed.directories));
  scan.result.complete = parsed.certain;
  for (const std::string& source : sources) scan.add_text(source, ".");
  scan.drain();
  return std::move(scan.result);
}

}  // namespace larder::opencl
