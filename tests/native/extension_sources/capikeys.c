/* The key checker as a C extension: keys in capsules, keys as addresses, a heap type and a static type. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include "apikey.h"

#define NAME "capikeys.key"

static PyObject *open_key(PyObject *module, PyObject *args)
{
    const char *secret;
    return PyArg_ParseTuple(args, "s", &secret) ? PyCapsule_New(apikey_open(secret), NAME, NULL) : NULL;
}

static PyObject *verify(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    const char *candidate;
    if (!PyArg_ParseTuple(args, "Os", &capsule, &candidate))
        return NULL;
    struct apikey *key = PyCapsule_GetPointer(capsule, NAME);
    return key == NULL ? NULL : PyBool_FromLong(apikey_verify(key, candidate));
}

static PyObject *free_key(PyObject *module, PyObject *capsule)
{
    struct apikey *key = PyCapsule_GetPointer(capsule, NAME);
    if (key == NULL)
        return NULL;
    apikey_free(key);
    Py_RETURN_NONE;
}

static PyObject *open_address(PyObject *module, PyObject *args)
{
    const char *secret;
    return PyArg_ParseTuple(args, "s", &secret) ? PyLong_FromVoidPtr(apikey_open(secret)) : NULL;
}

static PyObject *free_address(PyObject *module, PyObject *address)
{
    struct apikey *key = PyLong_AsVoidPtr(address);
    if (key == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    apikey_free(key);
    return PyLong_FromLong(7);
}

static void destroy(PyObject *capsule)
{
    apikey_free(PyCapsule_GetPointer(capsule, NAME));
}

static PyObject *open_owned(PyObject *module, PyObject *args)
{
    const char *secret;
    return PyArg_ParseTuple(args, "s", &secret) ? PyCapsule_New(apikey_open(secret), NAME, destroy) : NULL;
}

static PyObject *close_owned(PyObject *module, PyObject *capsule)
{
    if (PyCapsule_SetDestructor(capsule, NULL) < 0)
        return NULL;
    apikey_free(PyCapsule_GetPointer(capsule, NAME));
    Py_RETURN_NONE;
}

static PyObject *touch(PyObject *module, PyObject *buffer)
{
    return PyBool_FromLong(PyByteArray_Check(buffer));
}

static PyObject *length(PyObject *module, PyObject *args)
{
    const char *secret;
    return PyArg_ParseTuple(args, "s", &secret) ? PyLong_FromSize_t(apikey_length(secret)) : NULL;
}

typedef struct {
    PyObject_HEAD
    struct apikey *key;
} Key;

static int Key_init(Key *self, PyObject *args, PyObject *kwargs)
{
    const char *secret;
    if (!PyArg_ParseTuple(args, "s", &secret))
        return -1;
    self->key = apikey_open(secret);
    return 0;
}

static PyObject *Key_verify(Key *self, PyObject *args)
{
    const char *candidate;
    return PyArg_ParseTuple(args, "s", &candidate) ? PyBool_FromLong(apikey_verify(self->key, candidate)) : NULL;
}

static PyObject *Key_close(Key *self, PyObject *unused)
{
    apikey_free(self->key);
    Py_RETURN_NONE;
}

static PyObject *Key_make(PyObject *type, PyObject *args)
{
    return PyObject_CallObject(type, args);
}

static PyMethodDef Key_methods[] = {
    {"verify", (PyCFunction)Key_verify, METH_VARARGS, "Whether the candidate is the key."},
    {"close", (PyCFunction)Key_close, METH_NOARGS, "Frees the key."},
    {"make", Key_make, METH_VARARGS | METH_CLASS, "Opens a key."},
    {NULL},
};

static void Key_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    int heap = type->tp_flags & Py_TPFLAGS_HEAPTYPE;
    type->tp_free(self);
    if (heap)
        Py_DECREF(type);
}

static PyType_Slot Key_slots[] = {
    {Py_tp_init, Key_init}, {Py_tp_dealloc, Key_dealloc}, {Py_tp_methods, Key_methods}, {Py_tp_new, PyType_GenericNew}, {0},
};
static PyType_Spec Key_spec = {
    "capikeys.Key", sizeof(Key), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, Key_slots,
};
static PyTypeObject StaticKey = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "capikeys.StaticKey",
    .tp_basicsize = sizeof(Key),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Key_init,
    .tp_dealloc = Key_dealloc,
    .tp_methods = Key_methods,
};

static PyMethodDef functions[] = {
    {"open", open_key, METH_VARARGS, "Opens a key."},
    {"verify", verify, METH_VARARGS, "Whether the candidate is the key."},
    {"free", free_key, METH_O, "Frees a key."},
    {"open_address", open_address, METH_VARARGS, "Opens a key."},
    {"free_address", free_address, METH_O, "Frees a key; 7."},
    {"open_owned", open_owned, METH_VARARGS, "Opens a key that its capsule frees."},
    {"close_owned", close_owned, METH_O, "Frees such a key now."},
    {"touch", touch, METH_O, "Takes a buffer."},
    {"length", length, METH_VARARGS, "How long a key is."},
    {NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "capikeys", NULL, -1, functions};

PyMODINIT_FUNC PyInit_capikeys(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyObject *key = PyType_FromSpec(&Key_spec);
    if (module == NULL || key == NULL || PyType_Ready(&StaticKey) < 0)
        return NULL;
    PyModule_AddObject(module, "Key", key);
    PyModule_AddObject(module, "StaticKey", Py_NewRef((PyObject *)&StaticKey));
    return module;
}
