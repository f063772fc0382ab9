#include <fmt/format.h>

#include "commands/commands.h"
#include "document.h"
#include "exit_code.h"
#include "text.h"
#include "variables.h"

namespace larder::cli {

int run_config(const Context& context) {
  if (const std::string unknown = unknown_variables(context.config); !unknown.empty()) {
    warn(unknown);
  }
  if (context.options.format == Format::json) {
    Document list = Document::list();
    for (const auto& [key, value, origin] : context.config.settings) {
      list.append(Document::object().set("key", key).set("value", value).set("origin", origin));
    }
    list.print();
    return exit_ok;
  }
  for (const auto& [key, value, origin] : context.config.settings) {
    fmt::print("{} = {} ({})\n", key, printable(value), printable(origin));
  }
  return exit_ok;
}

}  // namespace larder::cli
