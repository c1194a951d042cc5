// The key checker for pybind11.
#include <pybind11/pybind11.h>
#include <string>

extern "C" {
#include "apikey.h"
}

class Key {
public:
    explicit Key(const std::string &secret) : key(apikey_open(secret.c_str())) {}
    bool verify(const std::string &candidate) const { return apikey_verify(key, candidate.c_str()); }
    void close() { apikey_free(key); }
    static Key make(const std::string &secret) { return Key(secret); }

private:
    struct apikey *key;
};

PYBIND11_MODULE(pykeys, module)
{
    pybind11::class_<Key>(module, "Key")
        .def(pybind11::init<const std::string &>())
        .def_static("make", &Key::make)
        .def("verify", &Key::verify)
        .def("close", &Key::close);
    module.def("open_key", [](const std::string &secret) { return Key(secret); });
    module.def("verify_key", [](const Key &key, const std::string &candidate) { return key.verify(candidate); });
    module.def("free_key", [](Key &key) { key.close(); });
}
