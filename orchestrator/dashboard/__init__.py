"""The web page of drills: from their log, and from nothing else; an abort goes where `haltdrill abort` goes."""
