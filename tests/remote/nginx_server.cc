#include "tests/remote/nginx_server.h"

#include <unistd.h>

namespace larder {
namespace {

constexpr const char* modules = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

std::string listen_with_tls(std::uint16_t port, const ServerCertificate& with) {
  return "listen 127.0.0.1:" + std::to_string(port) + " ssl; ssl_certificate \"" +
         with.certificate + "\"; ssl_certificate_key \"" + with.key + "\";\n";
}

std::string configuration(const std::string& here, std::uint16_t port, const std::string& tls) {
  return "load_module " + std::string(modules) + ";\n" + (::geteuid() == 0 ? "user root;\n" : "") +
         "daemon off; master_process off; pid " + here + "/pid; error_log " + here + "/errors;\n" +
         "events { worker_connections 64; }\n"
         "http { access_log off; client_max_body_size 100m; keepalive_requests 100000;\n"
         " client_body_temp_path " +
         here + "/t1; proxy_temp_path " + here + "/t2;\n" + " fastcgi_temp_path " + here +
         "/t3; uwsgi_temp_path " + here + "/t4;\n" + " scgi_temp_path " + here +
         "/t5;\n server { listen 127.0.0.1:" + std::to_string(port) + "; root " + here +
         "/data;\n" + tls + R"(
  location /dav/ { dav_methods PUT DELETE MKCOL; dav_ext_methods PROPFIND OPTIONS; }
  location /put/ { dav_methods PUT DELETE; create_full_put_path on; }
  location /readonly/ { limit_except GET { deny all; } }
  location /small/ { client_max_body_size 1k; dav_methods PUT; create_full_put_path on; }
  location /private/ { dav_methods PUT; create_full_put_path on; auth_basic x;
                       auth_basic_user_file )" +
         here + R"(/users; }
  location /busy/ { return 503; }
  location /full/ { if ($request_method = PUT) { return 507; } }
  location /moved/ { rewrite ^/moved/(.*)$ /put/$1 redirect; }
  location /elsewhere/ { return 302 http://localhost:1/x; }
 } }
)";
}

}  // namespace

NginxServer::NginxServer(const std::optional<ServerCertificate>& certificate) {
  const std::string here = directory_.path();
  for (const char* folder : {"dav", "put", "readonly", "small", "private"}) {
    std::filesystem::create_directories(data() / folder);
  }
  directory_.write("users", "reader:{PLAIN}geheim\n", std::filesystem::perms::owner_read);
  const std::string tls = certificate ? listen_with_tls(tls_port_, *certificate) : "";
  const auto file = directory_.write("nginx.conf", configuration(here, port_, tls),
                                     std::filesystem::perms::owner_read);
  process_ = std::make_unique<ServerProcess>(
      std::vector<std::string>{"/usr/sbin/nginx", "-e", here + "/errors", "-c", file.string()},
      directory_.path());
  EXPECT_TRUE(ServerProcess::comes_up([this] { return accepts_at(port_); }));
}

}  // namespace larder
