// The only file that includes CLI11: it costs seconds to compile.
#include "options.h"

#include <CLI/CLI.hpp>
#include <vector>

namespace larder::bench {

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  std::string format = "text";
  bool quick = false;
  std::vector<std::string> names;
  for (const Suite& suite : suites()) names.emplace_back(suite.name);

  CLI::App app("Measures Larder's stores against others on this machine.", "larder-bench");
  app.add_option("SUITE", options.suite, "which; all when none is named")
      ->check(CLI::IsMember(names));
  app.add_flag("--quick", quick, "less of everything: a minute for all suites");
  app.add_option("--format", format, "text, or json: one object a line")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--directory", options.directory,
                 "where the data goes for the time, in a folder of its own")
      ->check(CLI::ExistingDirectory);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.extent = quick ? Extent::quick : Extent::full;
  options.format = format == "json" ? Format::json : Format::text;
  return options;
}

}  // namespace larder::bench
