// The words typed, as values.
#ifndef LARDER_CLI_OPTIONS_H_
#define LARDER_CLI_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "exit_code.h"
#include "larder/fingerprint.h"

namespace larder::cli {

enum class Format { text, json, prometheus };

using NamedText = std::pair<std::string, std::string>;  // of `--field name=text`

struct Options {
  std::string verb;
  std::optional<std::string> store;
  std::optional<std::string> key_file;
  Format format = Format::text;

  Fingerprint fingerprint;
  Fingerprint other;                  // diff
  std::string file;                   // put, prewarm; "-" is standard input. key
  std::string action;                 // key: new, id
  std::string from;                   // merge, as --store takes it; `store` is then TO
  std::optional<std::string> output;  // get, once
  std::vector<std::string> command;   // once

  std::string domain;  // fingerprint, put, once; empty: no recipe
  std::vector<NamedText> fields;
  std::vector<NamedText> files;

  bool repair = false;                          // verify
  bool dry_run = false;                         // prune
  std::optional<std::uint64_t> max_size_bytes;  // prune
  std::optional<std::uint64_t> older_than_ms;   // prune
};

// The options, or the exit code when everything has been said already: help, version, usage errors.
std::variant<Options, ExitCode> parse_options(int argc, char** argv);

}  // namespace larder::cli

#endif  // LARDER_CLI_OPTIONS_H_
