#include <fmt/format.h>

#include "commands/commands.h"
#include "document.h"
#include "exit_code.h"
#include "larder/remote.h"
#include "text.h"
#include "variables.h"

namespace larder::cli {

namespace {

void print_settings(const Context& context) {
  if (context.options.format == Format::json) {
    Document list = Document::list();
    for (const auto& [key, value, origin] : context.config.settings) {
      list.append(Document::object().set("key", key).set("value", value).set("origin", origin));
    }
    return list.print();
  }
  for (const auto& [key, value, origin] : context.config.settings) {
    fmt::print("{} = {} ({})\n", key, printable(value), printable(origin));
  }
}

}  // namespace

int run_config(const Context& context) {
  if (const std::string unknown = unknown_variables(context.config); !unknown.empty()) {
    warn(unknown);
  }
  print_settings(context);
  // What only shows when a tier is opened: a scheme that there is not, a file that is missing.
  const auto tiers = open_remotes(context.config.remotes, {.keys = context.keys});
  return tiers ? exit_ok : fail(tiers.error());
}

}  // namespace larder::cli
