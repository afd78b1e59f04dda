// Runs a generated API, whose class is not known before, by reflection.

package stub

import android.content.Context
import android.graphics.Bitmap
import java.io.File
import java.lang.reflect.InvocationTargetException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * `run CLASS FILE...`: one sample, each input from a file; prints each field of the result.
 * `golden CLASS`: the methods of the golden test. `gray`, `rgb`: a bitmap's pixels.
 */
fun main(arguments: Array<String>) {
    try {
        when (arguments[0]) {
            "run" -> run(arguments[1], arguments.drop(2).map { File(it) })
            "golden" -> golden(arguments[1])
            else -> pixels(arguments[0], arguments[1])
        }
    } catch (error: InvocationTargetException) {
        println("${error.targetException.javaClass.simpleName}: ${error.targetException.message}")
        System.exit(1)
    }
}

private fun run(name: String, files: List<File>) {
    val companion = Class.forName(name).getField("Companion").get(null)
    val create = companion.javaClass.getMethod("create", Context::class.java, Int::class.java)
    val model = create.invoke(companion, Context(), 1)
    val method = model.javaClass.methods.first { it.name == "run" }
    val given = files.zip(method.parameterTypes).map { (file, type) -> value(file, type) }
    val result = method.invoke(model, *given.toTypedArray())
    for (getter in result.javaClass.declaredMethods.sortedBy { it.name }) {
        println("${getter.name.removePrefix("get")} ${told(getter.invoke(result))}")
    }
    (model as AutoCloseable).close()
}

private fun golden(name: String) {
    val type = Class.forName(name)
    val test = type.getConstructor().newInstance()
    for (method in type.methods.filter { it.declaringClass == type }) {
        method.invoke(test)
        println("passed ${method.name}")
    }
}

private fun pixels(color: String, name: String) {
    val companion = Class.forName(name).getField("Companion").get(null)
    val bitmap = Bitmap(2, 1, intArrayOf(0x40102030, 0x00fe8001))
    println(told(companion.javaClass.getMethod(color, Bitmap::class.java).invoke(companion, bitmap)))
}

/** A file's values; of an image's the first two numbers are width and height. */
private fun value(file: File, type: Class<*>): Any {
    val bytes = file.readBytes()
    val buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
    return when (type.simpleName) {
        "byte[]" -> bytes
        "short[]" -> ShortArray(bytes.size / 2) { buffer.getShort() }
        "int[]" -> IntArray(bytes.size / 4) { buffer.getInt() }
        "long[]" -> LongArray(bytes.size / 8) { buffer.getLong() }
        "float[]" -> FloatArray(bytes.size / 4) { buffer.getFloat() }
        "boolean[]" -> BooleanArray(bytes.size) { bytes[it].toInt() != 0 }
        else -> image(buffer, type)
    }
}

private fun image(buffer: ByteBuffer, type: Class<*>): Any {
    val width = buffer.getInt()
    val height = buffer.getInt()
    val size = buffer.remaining()
    val values: Any =
        if (type.simpleName == "Pixels") ByteArray(size).also { buffer.get(it) }
        else FloatArray(size / 4) { buffer.getFloat() }
    val int = Int::class.java
    return type.getConstructor(int, int, values.javaClass).newInstance(width, height, values)
}

private fun told(value: Any?): String = when (value) {
    is FloatArray -> value.joinToString(",", "[", "]")
    is IntArray -> value.joinToString(",", "[", "]")
    is LongArray -> value.joinToString(",", "[", "]")
    is ByteArray -> value.joinToString(",", "[", "]")
    is BooleanArray -> value.joinToString(",", "[", "]")
    is List<*> -> value.joinToString(",", "[", "]") { told(it) }
    is String -> "\"" + value.map { "\\u%04x".format(it.toInt()) }.joinToString("") + "\""
    is Number, null -> value.toString()
    else -> value.javaClass.declaredFields
        .filter { !java.lang.reflect.Modifier.isStatic(it.modifiers) }
        .joinToString(",", "{", "}") {
            it.isAccessible = true
            "\"" + it.name + "\":" + told(it.get(value))
        }
}
