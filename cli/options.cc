// The only file that includes CLI11: it costs seconds to compile.
#include "options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string_view>

#include "larder/config.h"

namespace larder::cli {
namespace {

constexpr const char* examples = R"(Examples:
  larder put $FP kernel.bin                      keep a file
  larder get $FP -o kernel.bin                   fetch it, verified
  larder once $FP -o k.spv -- glslc k.comp -o k.spv
                                                 compile once among all processes
  larder fingerprint --domain "example.org 2026-11" --field options=-O2 --file source=k.cl
  larder --store /var/cache/gpu stats --format json
  larder prune --max-size 2G --older-than 30d
  larder merge file:/old/cache pack:/var/cache/gpu

Exit codes: 0 ok, 1 the machine refused, 2 usage, 3 verify found damage, 4 not found,
5 a remote tier does not answer. `once` returns COMMAND's own exit status. docs/CLI.md tells the
rest.)";

// What CLI11 fills in, before it is checked.
struct Words {
  std::string format = "text";
  std::optional<std::string> store;
  std::optional<std::string> key_file;
  std::optional<std::string> fingerprint;
  std::optional<std::string> other;
  std::optional<std::string> output;
  std::optional<std::string> target;
  std::optional<std::string> max_size;
  std::optional<std::string> older_than;
  std::vector<std::string> fields;
  std::vector<std::string> files;
};

struct Usage {
  std::string message;
};

Fingerprint to_fingerprint(const std::string& text) {
  const auto fingerprint = Fingerprint::from_hex(text);
  if (!fingerprint) {
    throw Usage{fmt::format("`{}` is no fingerprint; write 64 lower-case hex digits", text)};
  }
  return *fingerprint;
}

std::vector<NamedText> to_named(const std::vector<std::string>& words, std::string_view option) {
  std::vector<NamedText> named;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Usage{fmt::format("{} `{}` is not of the form name=value", option, word)};
    }
    named.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return named;
}

std::uint64_t value_or_throw(const Result<std::uint64_t>& parsed, std::string_view option) {
  if (!parsed) throw Usage{fmt::format("{}: {}", option, parsed.error().message)};
  return *parsed;
}

using Arguments = std::vector<std::string>;

// The first word that is neither an option nor an option's value.
Arguments::iterator find_verb(Arguments& arguments) {
  auto word = arguments.begin();
  while (word != arguments.end() && word->starts_with("-")) {
    const bool takes_value = *word == "--store" || *word == "--format" || *word == "--key-file";
    word += takes_value && word + 1 != arguments.end() ? 2 : 1;
  }
  return word;
}

// Without a verb CLI11 would not look at them.
void check_global_options(const CLI::App& app, const Arguments& arguments) {
  for (const std::string& word : arguments) {
    const bool is_known = app.get_option_no_throw(word.substr(0, word.find('='))) != nullptr;
    if (word.starts_with("-") && !is_known) {
      throw Usage{fmt::format("`{}` is no option; see `larder --help`", word)};
    }
  }
}

// CLI11 would only say that some verb is missing.
void check_verb(const CLI::App& app, Arguments& arguments) {
  const auto verb = find_verb(arguments);
  if (verb == arguments.end()) return check_global_options(app, arguments);
  const auto verbs =
      app.get_subcommands([&](const CLI::App* known) { return known->get_name() == *verb; });
  // What is taken for one may be the value of an option that is misspelt.
  if (verbs.empty()) check_global_options(app, Arguments(arguments.begin(), verb));
  if (verbs.empty()) throw Usage{fmt::format("`{}` is no verb; see `larder --help`", *verb)};
}

constexpr std::string_view no_command =
    "once: no COMMAND; write it after `--`, as in `larder once $FP -o OUT -- COMMAND`";

bool is_help(const std::string& word) { return word == "-h" || word == "--help"; }

// `once FINGERPRINT -o OUT -- COMMAND ...`: COMMAND's words are not ours to read, whatever they
// look like. Cuts them off `arguments`.
Arguments cut_command(Arguments& arguments) {
  const auto verb = find_verb(arguments);
  if (verb == arguments.end() || *verb != "once") return {};
  const auto dashes = std::find(verb, arguments.end(), "--");
  if (dashes == arguments.end()) {
    const bool asks = std::any_of(verb, arguments.end(), is_help);
    if (!asks) throw Usage{std::string(no_command)};  // before COMMAND's words are read as ours
    return {};
  }
  Arguments command(dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  return command;
}

void add_fingerprint(CLI::App* verb, Words& words) {
  verb->add_option("FINGERPRINT", words.fingerprint, "64 lower-case hex digits")->required();
}

CLI::Option* add_recipe(CLI::App* verb, Options& options, Words& words) {
  auto* domain =
      verb->add_option("--domain", options.domain, "whose fields these are, with a date");
  verb->add_option("--field", words.fields, "name=text; any number of times")
      ->allow_extra_args(false)
      ->needs(domain);
  verb->add_option("--file", words.files, "name=PATH: the content of a file; any number of times")
      ->allow_extra_args(false)
      ->needs(domain);
  return domain;
}

void check_domain(const CLI::App& verb, const Options& options) {
  const CLI::Option* domain = verb.get_option_no_throw("--domain");
  if (domain != nullptr && domain->count() != 0 && options.domain.empty()) {
    throw Usage{"--domain is empty; say whose fields these are"};
  }
}

void add_entry_verbs(CLI::App& app, Options& options, Words& words) {
  auto* put = app.add_subcommand("put", "Keep a file under a fingerprint, durably");
  add_fingerprint(put, words);
  put->add_option("FILE", options.file, "the file; - is standard input")->required();
  add_recipe(put, options, words);

  auto* get = app.add_subcommand("get", "Fetch an artifact, verified");
  add_fingerprint(get, words);
  get->add_option("-o,--output", words.output, "where to; standard output otherwise");

  add_fingerprint(app.add_subcommand("exists", "Say by the exit code whether there is one"), words);
  add_fingerprint(app.add_subcommand("rm", "Remove an entry"), words);
  add_fingerprint(app.add_subcommand("inspect", "Verify and describe an entry"), words);
  add_fingerprint(app.add_subcommand("explain", "Show what a fingerprint was made from"), words);

  auto* diff = app.add_subcommand("diff", "Show in which fields two entries differ");
  diff->add_option("A", words.fingerprint, "64 lower-case hex digits")->required();
  diff->add_option("B", words.other, "64 lower-case hex digits")->required();
  app.add_subcommand("list", "List the entries");
}

void add_compile_verbs(CLI::App& app, Options& options, Words& words) {
  auto* once = app.add_subcommand("once", "Serve OUT from the cache, or let COMMAND make it, once");
  add_fingerprint(once, words);
  once->add_option("-o,--output", words.output, "the file that COMMAND writes")->required();
  add_recipe(once, options, words);
  once->footer("Then: -- COMMAND [ARGUMENT ...]");

  auto* fingerprint = app.add_subcommand("fingerprint", "Make a fingerprint from named fields");
  add_recipe(fingerprint, options, words)->required();
}

void add_care_verbs(CLI::App& app, Options& options, Words& words) {
  app.add_subcommand("stats", "Show the counters and what the store holds");
  app.add_subcommand("zero-stats", "Set the counters to zero");
  auto* verify = app.add_subcommand("verify", "Read and verify every entry");
  verify->add_flag("--repair", options.repair, "remove damaged entries");

  auto* prune = app.add_subcommand("prune", "Evict what was used least recently");
  prune->add_option("--max-size", words.max_size, "down to this size, e.g. 2G (default: max_size)");
  prune->add_option("--older-than", words.older_than, "what was not used for so long, e.g. 30d");
  prune->add_flag("--dry-run", options.dry_run, "say what would leave; touch nothing");

  auto* merge = app.add_subcommand("merge", "Copy every good entry of one store into another");
  merge->add_option("FROM", options.from, "the store to read, as --store takes it")->required();
  merge->add_option("TO", words.target, "the store to write, as --store takes it")->required();

  app.add_subcommand("push", "Send every entry to each remote tier that may be written");
  app.add_subcommand("pull", "Fetch every entry of each remote tier");
  auto* prewarm = app.add_subcommand("prewarm", "Fetch the entries that a list names");
  prewarm->add_option("LIST", options.file, "a fingerprint on each line; - is standard input")
      ->required();
  app.add_subcommand("clear", "Evict every entry");
  app.add_subcommand("flush", "Make what was put durable");
  app.add_subcommand("config", "Show each setting and where it comes from");
  app.add_subcommand("doctor", "Check the store and its surroundings");

  auto* key = app.add_subcommand("key", "Make a key file, or show the id of its keys");
  key->add_option("ACTION", options.action, "new or id")->required();
  key->add_option("FILE", options.file, "the key file")->required();
}

void add_everything(CLI::App& app, Options& options, Words& words) {
  app.set_version_flag("--version", "larder " LARDER_VERSION);
  app.add_option("--store", words.store,
                 "pack:DIR, file:DIR, vyre:DIR or DIR (default: LARDER_DIR)");
  app.add_option("--key-file", words.key_file,
                 "authenticate entries with the keys in this file (default: LARDER_KEY_FILE)");
  app.add_option("--format", words.format, "text, json or prometheus");
  add_entry_verbs(app, options, words);
  add_compile_verbs(app, options, words);
  add_care_verbs(app, options, words);
  app.require_subcommand(1);
  app.footer(examples);
  for (CLI::App* verb : app.get_subcommands({})) verb->fallthrough();
}

Format to_format(const std::string& word, const std::string& verb) {
  if (word == "text") return Format::text;
  if (word == "json") return Format::json;
  if (word != "prometheus") {
    throw Usage{fmt::format("`{}` is no format; use text, json or prometheus", word)};
  }
  if (verb != "stats") throw Usage{fmt::format("`{}` has no prometheus format; stats has", verb)};
  return Format::prometheus;
}

void check_merge(const Words& words, Options& options) {
  if (words.store) throw Usage{"merge: the stores are FROM and TO; leave --store out"};
  const std::pair<const char*, std::string> stores[] = {{"FROM", options.from},
                                                        {"TO", words.target.value_or("")}};
  for (const auto& [name, store] : stores) {
    const auto location = parse_location(store);
    if (!location) throw Usage{fmt::format("merge: {}: {}", name, location.error().message)};
  }
  options.store = words.target;
}

void check(const CLI::App& app, const Words& words, Options& options) {
  options.verb = app.get_subcommands().front()->get_name();
  options.format = to_format(words.format, options.verb);
  check_domain(*app.get_subcommands().front(), options);
  options.store = words.store;
  options.key_file = words.key_file;
  if (options.verb == "key" && options.action != "new" && options.action != "id") {
    throw Usage{fmt::format("key: `{}` is neither `new` nor `id`", options.action)};
  }
  if (options.verb == "key" && options.file == "-") {
    throw Usage{"key: a key is in a file, not in a stream; name the file"};
  }
  if (options.verb == "merge") check_merge(words, options);
  options.output = words.output;
  if (words.fingerprint) options.fingerprint = to_fingerprint(*words.fingerprint);
  if (words.other) options.other = to_fingerprint(*words.other);
  options.fields = to_named(words.fields, "--field");
  options.files = to_named(words.files, "--file");
  if (words.max_size)
    options.max_size_bytes = value_or_throw(parse_size(*words.max_size), "--max-size");
  if (words.older_than) {
    options.older_than_ms = value_or_throw(parse_duration_ms(*words.older_than), "--older-than");
    if (options.older_than_ms == 0) {
      throw Usage{"--older-than: 0 is no age; `larder clear` evicts every entry"};
    }
  }
  if (options.verb == "once" && options.command.empty()) {
    throw Usage{std::string(no_command)};
  }
  if (options.verb == "put" && options.file.empty()) {
    throw Usage{"put: the name of FILE is empty; name a file, or - for standard input"};
  }
  if (options.output && options.output->empty()) throw Usage{"-o: the name is empty; name a file"};
  if (options.verb != "once") return;
  if (options.command.front().empty()) throw Usage{"once: COMMAND is empty; name a program"};
  if (options.output == "-") throw Usage{"once: -o must name the file that COMMAND writes"};
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, char** argv) {
  Options options;
  Words words;
  CLI::App app("Larder keeps what GPU compilers cooked: a verified, crash-safe cache of artifacts.",
               "larder");
  Arguments arguments(argv + 1, argv + argc);
  try {
    options.command = cut_command(arguments);
    add_everything(app, options, words);
    check_verb(app, arguments);
    std::ranges::reverse(arguments);  // as CLI11 wants them
    app.parse(arguments);
    check(app, words, options);
    return options;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // help or version
      app.exit(error);
      return exit_ok;
    }
    return fail(exit_usage, fmt::format("{}; see `larder --help`", error.what()));
  } catch (const Usage& usage) {
    return fail(exit_usage, usage.message);
  }
}

}  // namespace larder::cli
