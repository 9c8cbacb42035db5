"""FramePack's sections: how many, which frames they see and where in time, and that as CONDITIONING."""
