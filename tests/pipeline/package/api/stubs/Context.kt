package android.content

import android.content.res.AssetManager
import java.io.File

/** Its assets are the files below the folder that `-Dassets` names. */
class Context {
    val assets = AssetManager(File(System.getProperty("assets")))
}
